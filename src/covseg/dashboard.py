"""Make the workspace and the report of a W&B project: panels, table of runs, overlays.

    python -m covseg.dashboard project=covseg
    python -m covseg.dashboard upload=false

Their specification is kept as files: outputs/dashboard/<date_time>/.
"""

from pathlib import Path

from covseg.config.dashboard import Dashboard
from covseg.run.command.main import run_verb
from covseg.run.verb import Verb


def work(config: Dashboard, out: Path, _command: str) -> None:
    """Make both and apply them."""
    from covseg.run.verbs.dashboard import make_dashboard  # imports wandb

    make_dashboard(config, out)


VERB = Verb("dashboard", Dashboard, lambda config: config, lambda _: None, work)


def main() -> None:
    """The command line."""
    run_verb(VERB)


if __name__ == "__main__":
    main()
