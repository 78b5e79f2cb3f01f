"""Shows the result of a run: pictures, page, dashboards, and the table on the terminal.

The scores are on disk already, so a failure here is only a warning.
"""

from collections.abc import Mapping

from covseg.measure.scores import Score
from covseg.report.best_effort import best_effort
from covseg.report.loggers.dashboard import Dashboards
from covseg.report.pictures import panels, save
from covseg.report.result import RunResult
from covseg.report.run.page import write_page
from covseg.report.table import print_line, print_summary
from covseg.report.telling import telling_images
from covseg.run.folder.sweep_folder import read_job

_INSTEAD = "the scores are in summary.json"


def show(
    result: RunResult, scores: Mapping[str, Score], dashboards: Dashboards | None = None
) -> None:
    """Show a result; in the first process.

    Args:
        result: of a training run or an evaluation.
        scores: by name.
        dashboards: of a training run, which prints no scores by class.
    """
    with best_effort(f"{result.folder / 'pictures'}", _INSTEAD):
        _draw(result)
    with best_effort(f"{result.folder / 'report.html'}", _INSTEAD):
        write_page(result, scores)
    if dashboards is not None:
        dashboards.log_result(result)
    with best_effort("the table of the scores", _INSTEAD):
        _print(result, scores, by_class=dashboards is None)


def _draw(result: RunResult) -> None:
    """Draw the telling images of the first target."""
    target = next(iter(result.histograms))
    records = result.records.where(result.records.target == target)
    for name, (place, caption) in telling_images(records).items():
        [shown] = result.predict(target, [place])
        picture = panels(shown.image, shown.truth, shown.probability, result.threshold, caption)
        save(picture, result.folder / "pictures" / f"{name}.png")


def _print(result: RunResult, scores: Mapping[str, Score], *, by_class: bool) -> None:
    if read_job(result.folder) is not None:  # the sweep has a table of all its jobs
        print_line(result.summary, result.folder)
        return
    epoch = result.at_checkpoint.get("epoch")
    name = result.checkpoint.name + (f", of epoch {epoch:.0f}" if epoch else "")
    print_summary(result.summary, result.folder, scores, by_class=by_class, checkpoint=name)
