"""With the parts of a run.

Each is possible as a configuration, but not with these parts, on this machine, with this data.
"""

import shlex

import pytest

from configurations import composed
from covseg.config.train import Train
from covseg.errors import ConfigError
from covseg.run.command.job import Job
from covseg.train import VERB
from covseg.validation import check

MISTAKES = {
    "an argument that an optimizer lacks": "+optimizer.lrr=3",
    "an argument that an optimizer refuses": "optimizer.betas=[2,3]",
    "an argument that a transform lacks": "+augment.flip.q=3",
    "an argument that a logger lacks": "logger=wandb +logger.wandb.grop=g1",
    "a transform that makes masks of 255": ("+augment.affine.fill_mask=255 augment.affine.p=1.0"),
    "a transform that changes the size": "+augment.affine.fit_output=true",
    "text instead of a number of a loss": "loss=focal loss.gamma=abc",
    "a negative weight in a loss": "loss.positive_weight=-5",
    "a share above 1 in a schedule": "scheduler=one_cycle scheduler.warmup=2",
    "half a picture": "callbacks.pictures.n_images=1.5",
    "a score that does not exist as the one that chooses": "protocol.monitor=dice",
    "a score that is not logged": (
        "callbacks=early_stopping callbacks.early_stopping.monitor=val/rmse"
    ),
    "early stopping in the wrong direction": (
        "callbacks=early_stopping callbacks.early_stopping.monitor=val/dice_positive "
        "callbacks.early_stopping.mode=min"
    ),
    "early stopping that looks before Val is scored": (
        "callbacks=early_stopping +callbacks.early_stopping.check_on_train_epoch_end=true"
    ),
    "the first validation after the last batch": (
        "trainer.val_check_interval=100 trainer.check_val_every_n_epoch=null"
    ),
    "fewer steps than until the first validation": "trainer.max_steps=3",
    "a share of Train less than a batch": "trainer.limit_train_batches=0.1",
    "a share of Val less than a batch": "trainer.limit_val_batches=0.1",
    "a share of Test less than a batch": "trainer.limit_test_batches=0.1",
    "a GPU where there is none": "trainer.accelerator=gpu",
    "a list of GPUs on a CPU": "trainer.devices=[0,1]",
    "no device": "trainer.devices=0",
    "text instead of a number of devices": "trainer.devices=some",
    "more processes than a CPU has cores": "trainer.devices=100000",
    "a list as the score to watch": (
        "callbacks=early_stopping callbacks.early_stopping.monitor={a:1}"
    ),
    "a strategy that does not exist": "trainer.strategy=magic",
    "16 bits on a CPU": "trainer.precision=16-mixed",
    "a precision that needs another package": "trainer.precision=transformer-engine",
    "a network that no memory holds": (
        "model.depth=8 model.base_channels=1024 data.image_size=256"
    ),
    "a batch larger than the data": "data.batch_size=64",
    "pretrained weights where no file is": "model=lite_unet model.pretrained=nowhere.pth",
    "an image no multiple of 32 for lite_unet": "model=lite_unet data.image_size=48",
    "weights of a run that does not exist": "init=nowhere",
    "a run folder where a file is": "hydra.run.dir=file/run",
    "a cache where a file is": "data.cache_dir=file/cache",
}


@pytest.mark.parametrize("words", MISTAKES.values(), ids=MISTAKES)
def test(words, said, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    said.refused("train", "experiment=debug", *shlex.split(words))


def test_a_run_folder_that_holds_a_run(said, run):
    said.refused("train", "experiment=debug", "hydra.run.dir=run")


def test_other_files_in_a_run_folder_stay(said, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "slurm-1.out").write_text("mine")
    said.refused("train", "experiment=debug", "init=nowhere", "hydra.run.dir=run")


@pytest.mark.parametrize("sweeper", ["hydra_plugins.optuna.Sweeper", "core.BasicSweeper"])
def test_a_search_refuses_a_protocol_without_an_objective(sweeper, tmp_path):
    config = check(Train, composed("train", ["protocol=paper"]))
    job = Job(VERB, "", config, config, [], tmp_path, sweeper)
    if sweeper == "core.BasicSweeper":
        assert job._settled(config).protocol.report == "Test"
        return
    with pytest.raises(ConfigError, match="a search needs one: search with protocol=holdout"):
        job.run()
