"""The runs whose networks are averaged: they have to answer the same question."""

from collections.abc import Sequence

from covseg.errors import ConfigError, RunError, setting
from covseg.run.folder.run_folder import RunFolder


def check_members(runs: Sequence[RunFolder]) -> None:
    """Refuse to average the networks of runs that see other images or predict other targets.

    Raises:
        ConfigError: a run is named twice, or has folds.
        RunError: names the run that differs, and in what.
    """
    if len({run.path for run in runs}) < len(runs):
        raise ConfigError(
            setting("run", [str(run) for run in runs]), "names a run twice", "name each once"
        )
    first = runs[0]
    for run in runs:
        if len(runs) > 1 and run.config.protocol.folds:
            raise ConfigError(
                setting("run", str(run)),
                "has protocol=kfold, so that the others were fitted on the images that it scores",
                "average runs with another protocol",
            )
        for key in ("targets", "image_size", "fit"):
            own, expected = getattr(run.config.data, key), getattr(first.config.data, key)
            if own != expected:
                raise RunError(
                    run,
                    f"has {setting(f'data.{key}', own)}, and {first} has "
                    f"{setting(f'data.{key}', expected)}",
                    "average runs that have the same",
                )
        if run.fingerprint != first.fingerprint:
            raise RunError(
                run, f"was fitted on other data than {first}", "average runs of the same data"
            )
