"""What a user can get wrong on the command line: one sentence, exit code 1, nothing on disk."""

from collections.abc import Callable
from pathlib import Path

import pytest

DEBUG = "experiment=debug"

# overrides -> what the sentence must name: the key with its value, and the way out
CONFIGURATION = {
    "trainer.max_epochs=3 trainer.max_epoch=3": ["trainer.max_epoch=3 is", "max_epochs?"],
    "+loss._partial_=true": ["_partial_", "remove it"],
    "model.depth=2,3": ["add -m"],
    "trainer.max_epoch=3": ["trainer.max_epoch=3", "did you mean trainer.max_epochs?"],
    "+trainer.max_epoch=3": ["trainer.max_epoch=3", "did you mean trainer.max_epochs?"],
    "modle=unet3": ["modle=unet3", "did you mean model?"],
    "model=unet9": ["model=unet9", "did you mean unet"],
    "optimizer=adamm": ["optimizer=adamm", "did you mean adam"],
    "experiment=demmo": ["experiment=demmo", "did you mean demo?"],
    "model.depth=99": ["model.depth=99", "less than or equal to 8"],
    "model.depth=three": ["model.depth=three", "valid integer"],
    "model.norm=layer": ["model.norm=layer", "'none', 'batch' or 'group'"],
    "optimizer.lr=-1": ["optimizer.lr=-1", "greater than 0"],
    "data.batch_size=1.5": ["data.batch_size=1.5", "valid integer"],
    "data.batch_size=0": ["data.batch_size=0", "greater than or equal to 1"],
    "data.targets=[lungs]": ["lungs", "'infection' or 'lung'"],
    "data.targets=[lung,lung]": ["data.targets", "twice"],
    "trainer.precision=fp8": ["trainer.precision=fp8", "bf16-mixed"],
    "trainer.accelerator=tpuu": ["trainer.accelerator=tpuu", "'cpu'"],
    "protocol.threshold=1.5": ["protocol.threshold=1.5", "less than or equal to 1"],
    "protocol=paper protocol.checkpoint=best": ["protocol.checkpoint=best", "protocol=holdout"],
    "protocol.fit=[Train,Val]": ["protocol.select=Val", "fitted on"],
    "protocol=paper protocol.report=Val": ["protocol.report=Val", "fitted on"],
    "protocol=paper scheduler=plateau": ["scheduler=plateau", "protocol=holdout"],
    "protocol=paper callbacks=early_stopping": ["early_stopping", "protocol=holdout"],
    "loss._target_=os.system": ["os.system", "not among what covseg builds"],
    "trainer.logger=false": ["trainer.logger=false", "not a key"],
    "a=b=c[": ["cannot be understood"],
    "-m a=b=c[": ["cannot be understood"],
    "-m model.depth=2,77": ["model.depth=77", "less than or equal to 8"],
}


@pytest.mark.parametrize("overrides", CONFIGURATION)
def test_a_wrong_configuration_is_refused_before_anything_is_made(
    overrides: str, verb: Callable, tmp_path: Path
) -> None:
    done = verb("train", *overrides.split())
    assert done.code == 1
    assert done.out == ""
    assert done.err.count("\n") == 1, done.err
    for part in CONFIGURATION[overrides]:
        assert part in done.err
    assert not list(tmp_path.iterdir())


# the configuration is possible, but not with these parts, this machine or this data
PARTS = {
    "data.image_size=100 model.depth=3": ["data.image_size=100", "use 96 or 104"],
    "+optimizer.lrr=3": ["optimizer.lrr=3", "did you mean lr?"],
    "optimizer.betas=[2,3]": ["optimizer", "Invalid beta parameter"],
    "+augment.flip.q=3": ["augment.flip.q=3", "choose from p"],
    "trainer.accelerator=gpu": ["trainer.accelerator=gpu", "trainer.accelerator=cpu"],
    "trainer.devices=0": ["trainer.devices=0", "1 or more"],
    "trainer.devices=some": ["trainer.devices=some", "no number"],
    "trainer.strategy=magic": ["trainer", "magic"],
    "data.batch_size=64": ["data.batch_size=64", "data.batch_size=16 or less"],
    "loss=focal loss.gamma=abc": ["loss.gamma=abc", "valid number"],
    "loss.positive_weight=-5": ["loss.positive_weight=-5", "greater than 0"],
    "scheduler=one_cycle scheduler.warmup=2": ["scheduler.warmup=2", "less than 1"],
    "callbacks.pictures.n_images=1.5": ["callbacks.pictures.n_images=1.5", "valid integer"],
    "callbacks=early_stopping callbacks.early_stopping.monitor=val/rmse": ["did you mean"],
    "trainer.devices=[0,1]": ["trainer.devices=[0, 1]", "say a number"],
    "trainer.precision=transformer-engine": ["trainer", "refused by Lightning"],
    "init=nowhere": ["nowhere", "run folder"],
    "data=covid_qu_ex data.root=nowhere": ["nowhere", "kaggle.com", "CC BY-SA", "data.download"],
}


@pytest.mark.parametrize("overrides", PARTS)
def test_what_cannot_run_here_is_refused_and_leaves_no_run_folder(
    overrides: str, verb: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    debug = [] if overrides.startswith("data=") else [DEBUG]
    done = verb("train", *debug, *overrides.split())
    assert done.code == 1
    assert "Traceback" not in done.err
    *_, sentence = done.err.strip().splitlines()
    for part in PARTS[overrides]:
        assert part in sentence
    assert not list(tmp_path.rglob("config.yaml"))


def test_the_real_command_prints_one_line_and_no_traceback(command: Callable) -> None:
    done = command("train", "trainer.max_epoch=3")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "trainer.max_epoch=3 is not a key of covseg: did you mean trainer.max_epochs?\n"
    )


def test_the_traceback_comes_back_when_it_is_asked_for(command: Callable) -> None:
    done = command("train", "model.depth=99", HYDRA_FULL_ERROR="1")
    assert done.code == 1
    assert "Traceback" in done.err


def test_an_unwritable_output_folder_is_refused(verb: Callable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = verb("train", DEBUG, "hydra.run.dir=file/run")
    assert done.code == 1
    assert "hydra.run.dir" in done.err
    assert "Traceback" not in done.err


def test_an_unwritable_cache_folder_is_refused(verb: Callable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = verb("train", DEBUG, "data.cache_dir=file/cache")
    assert done.code == 1
    assert "data.cache_dir" in done.err
    assert "Traceback" not in done.err


def test_a_folder_that_holds_a_run_is_not_written_over(
    verb: Callable, finished_run: Path, tmp_path: Path
) -> None:
    before = (finished_run / "config.yaml").read_bytes()
    done = verb("train", DEBUG, f"hydra.run.dir={finished_run}")
    assert done.code == 1
    assert "already holds a run" in done.err
    assert (finished_run / "config.yaml").read_bytes() == before
    assert (finished_run / "summary.json").is_file()


def test_a_search_refuses_a_protocol_without_an_objective() -> None:
    from covseg.errors import ConfigError
    from covseg.run.start import _settle_protocol

    protocol = {"name": "paper", "select": None, "report": "Test"}
    with pytest.raises(ConfigError, match="nothing to go by: search with protocol=holdout"):
        _settle_protocol(protocol, True, "hydra_plugins.optuna.Sweeper")
    _settle_protocol(protocol, True, "hydra._internal.core_plugins.basic_sweeper.BasicSweeper")
    assert protocol["report"] == "Test"
