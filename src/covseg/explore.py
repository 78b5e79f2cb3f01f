"""Look at a dataset: what is in it, what is wrong with it, what gives its classes away.

    python -m covseg.explore data.root=archive.zip
    python -m covseg.explore data=phantom

The result is a folder with a page, explore.html, its tables and figures, and findings.csv:
outputs/explore/<date_time>/.
"""

from pathlib import Path

from covseg.config.explore import Explore
from covseg.run.command.main import run_verb
from covseg.run.verb import Verb


def work(config: Explore, out: Path, command: str) -> None:
    """Look at every file and every pair of images."""
    # OpenCV and matplotlib take seconds to import: not before the configuration is checked
    from covseg.run.verbs.exploration import explore

    explore(config, out, command)


VERB = Verb("explore", Explore, lambda config: config, lambda _: None, work)


def main() -> None:
    """The command line."""
    run_verb(VERB)


if __name__ == "__main__":
    main()
