"""A sweep for people: a table on the terminal, a picture, a page."""

from dataclasses import replace

from covseg.files import write_whole
from covseg.report.html.figure_export import png, style
from covseg.report.sweep.figures import sweep_figure
from covseg.report.sweep.page import page
from covseg.report.sweep.table import print_sweep
from covseg.run.folder.sweep_folder import SweepFolder
from covseg.run.verbs.search_result import search_result
from covseg.run.verbs.sweep_table import write_sweep_table


def report_sweep(sweep: SweepFolder) -> None:
    """Write ``sweep.csv``, ``sweep.png`` and ``sweep.html``, and print the table.

    Raises:
        RunError: a file cannot be written.
    """
    result = replace(write_sweep_table(sweep), search=search_result(sweep))
    with style():
        figure = sweep_figure(result)
    if figure is not None:
        write_whole(sweep.picture, png(figure))
    write_whole(sweep.page, page(result, figure, sweep.path.name))
    if result.points:
        print_sweep(result, sweep.path)
