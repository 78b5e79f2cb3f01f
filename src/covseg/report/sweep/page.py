"""A sweep as a self-contained HTML page."""

from matplotlib.figure import Figure

from covseg.measure.scores import OBJECTIVE
from covseg.report.html.environment import environment
from covseg.report.html.figure_export import svg
from covseg.report.sweep.result import SweepResult, shown
from covseg.report.sweep.table import TEST_WARNING

_SCORES = (OBJECTIVE, "dice_positive", "iou_positive", "false_alarm_rate", "miss_rate")


def page(result: SweepResult, figure: Figure | None, name: str) -> str:
    """The page as HTML.

    Args:
        result: the jobs.
        figure: of the sweep, if anything varies in it.
        name: of the sweep folder.
    """
    description = f"{OBJECTIVE} over {', '.join(result.axes)}; the numbers are in the table"
    drawn = None if figure is None else svg(figure, "sweep", description)
    jinja = environment("covseg.report.sweep")
    jinja.filters["shown"] = shown
    template = jinja.get_template("sweep.html")
    best = [row for point in result.points for row in point.rows]
    others = [row for row in result.rows if row not in best]
    names = dict.fromkeys(score for row in result.rows for score in row.scores)
    scores = [score for score in names if score.rpartition("/")[2] in _SCORES]
    if (
        result.one_split and OBJECTIVE in scores
    ):  # what jobs are compared by, in a column of its own
        scores.remove(OBJECTIVE)
    return template.render(
        name=name,
        warning=TEST_WARNING,
        result=result,
        figure=drawn,
        rows=[*best, *others],
        scores=scores,
    )
