"""On the command line.

Each is refused before torch is imported.
"""

import shlex

import pytest

MISTAKES = {
    "a key misspelt": "trainer.max_epoch=3",
    "a key misspelt, behind +": "+trainer.max_epoch=3",
    "a key right once and misspelt once": "trainer.max_epochs=3 trainer.max_epoch=3",
    "a key of the top level misspelt": "sead=3",
    "a key deep down misspelt": "data=phantom data.phantom.sed=3",
    "a key without its group": "lr=1e-3",
    "a key that is called otherwise": "epochs=3",
    "a key of another group": "trainer.batch_size=3",
    "a key that is a group of its own": "trainer.logger=false",
    "a key of data that is not in use": "data.phantom.seed=1",
    "a group misspelt": "modle=unet3",
    "an option that there is not": "model=unet9",
    "an option misspelt": "optimizer=adamm",
    "a preset that there is not": "experiment=demmo",
    "a part taken away that was not there": "~callbacks.picturess",
    "a word for a number": "model.depth=three",
    "half an image": "data.batch_size=1.5",
    "no image": "data.batch_size=0",
    "too deep": "model.depth=99",
    "a negative learning rate": "optimizer.lr=-1",
    "a threshold beyond 1": "protocol.threshold=1.5",
    "too many loader processes": "data.num_workers=1000",
    "fewer than no epochs": "trainer.max_epochs=-3",
    "a negative seed": "seed=-1",
    "another word for a choice": "model.norm=layer",
    "a target that the data lacks": "data.targets=[lungs]",
    "a target twice": "data.targets=[lung,lung]",
    "a split misspelt": "data=phantom data.phantom.n_images={Trian:8}",
    "a precision that there is not": "trainer.precision=fp8",
    "an accelerator that there is not": "trainer.accelerator=tpuu",
    "a number of devices that is none": "trainer.devices=1.5",
    "a key of an option that was not chosen": "loss.gamma=1",
    "nothing for a group": "model=null",
    "a group taken away": "~model",
    "a way to clip without a bound": "trainer.gradient_clip_algorithm=value",
    "more epochs at least than at most": "trainer.min_epochs=9 trainer.max_epochs=2",
    "a split that is fitted twice": "protocol.fit=[Train,Train]",
    "an optimizer that climbs": "+optimizer.maximize=true",
    "plateau without the end of an epoch": "scheduler=plateau trainer.check_val_every_n_epoch=null",
    "a limit of time without a checkpoint": "trainer.max_time=00:01:00:00 "
    "trainer.enable_checkpointing=false protocol.checkpoint=last",
    "a time that is none": "trainer.max_time={days:x}",
    "a time in hours": "trainer.max_time=12h",
    "no time at all": "trainer.max_time=00:00:00:00",
    "the image too small for the network": "data.image_size=8 model.depth=5",
    "the image no multiple of what the network needs": "data.image_size=100 model.depth=3",
    "one value for batch norm": "data.image_size=32 data.batch_size=1 model.depth=5",
    "the best checkpoint where nothing is chosen": "protocol=paper protocol.checkpoint=best",
    "choosing on what is fitted": "protocol.fit=[Train,Val]",
    "reporting what was fitted": "protocol=paper protocol.report=Val",
    "folds without saying which": "protocol=kfold",
    "a fold beyond the last": "protocol=kfold data.fold=5",
    "a fold without folds": "data.fold=1",
    "folds, and copies left out": "protocol=kfold data.fold=1 data.exclude=findings.csv",
    "a fold reported that was fitted": "protocol.report=fold",
    "plateau where nothing is watched": "protocol=paper scheduler=plateau",
    "early stopping where nothing is watched": "protocol=paper callbacks=early_stopping",
    "early stopping without validation": (
        "callbacks=early_stopping trainer.limit_val_batches=0 protocol.checkpoint=last"
    ),
    "plateau without validation": (
        "scheduler=plateau trainer.limit_val_batches=0 protocol.checkpoint=last"
    ),
    "no validation before the end": "trainer.max_epochs=2 trainer.check_val_every_n_epoch=5",
    "no epoch at all": "protocol=paper trainer.max_epochs=0",
    "no step at all": "protocol=paper trainer.max_steps=0",
    "a schedule for a run without end": "scheduler=cosine trainer.max_epochs=-1",
    "no checkpoints, and the best of them": "trainer.enable_checkpointing=false",
    "checkpoints within epochs that are cut short": (
        "callbacks.checkpoint_every_n_steps=5 trainer.limit_train_batches=3"
    ),
    "the learning rate for a logger where there is none": (
        "+callbacks.lr._target_=lightning.pytorch.callbacks.LearningRateMonitor"
    ),
    "weights averaged at the end, and the best of before": (
        "+callbacks.swa._target_=lightning.pytorch.callbacks.StochasticWeightAveraging "
        "+callbacks.swa.swa_lrs=0.01"
    ),
    "a strategy with checkpoints of its own": "trainer.strategy=fsdp",
    "a fused optimizer beside clipping and 16 bits": (
        "+optimizer.fused=true trainer.gradient_clip_val=1 trainer.precision=bf16-mixed"
    ),
    "an argument of a logger without its +": "logger=wandb logger.wandb.group=g1",
    "another program as the loss": "loss._target_=os.system",
    "a part misspelt": "loss._target_=covseg.learn.losses.Tverski",
    "a key of Hydra's own": "+loss._partial_=true",
    "an interpolation that leads nowhere": "'name=${nowhere}'",
    "a path with brackets": "'data.root=archive (1).zip'",
    "a path with a comma": "data.root=a,b.zip",
    "a path with an equals sign": "data.root=a=b.zip",
    "several values without -m": "model.depth=2,3",
    "one of several values impossible": "-m model.depth=2,77",
    "overrides on both sides of -m": "seed=1 -m model.depth=2,3",
    "an option of no program": "--epochs 3",
    "another configuration altogether": "--config-path=/etc",
    "no override at all": "a=b=c[",
    "a word without a value": "demo",
    "a letter that needs quotes": "data.root=/home/Müller/archive.zip",
    "a preset chosen with +": "+experiment=debug",
    "a key that is there, with +": "+model.depth=2",
    "keys with values where a list belongs": "tags={a:1}",
    "a variable of the environment that is not set": "'name=${oc.env:NOWHERE}'",
    "nothing for a path": "data.root=",
    "several values inside of one": "-m 'model.depth=choice(1,2),3'",
    "no value of several": "-m 'seed=range(0,4,-1)'",
    "more runs than anybody waits for": "-m 'seed=range(0,1e9)'",
    "more phantoms than anybody waits for": "data=phantom data.phantom.n_images.Val=1000000000",
    "a pickle as a command line": "--experimental-rerun=config.pickle",
    "--resolve without --cfg": "--resolve",
    "a key misspelt, behind --cfg": "--cfg job sead=1",
    "an option that there is not, behind --help": "--help model=unet9",
    "a run folder that leads nowhere": "'hydra.run.dir=${nowhere}'",
    "another program as a callback of Hydra's": "+hydra.callbacks.mine._target_=os.system",
}


@pytest.mark.parametrize("words", MISTAKES.values(), ids=MISTAKES)
def test(words, said, tmp_path):
    said.refused("train", *shlex.split(words), torch=False)
    assert not list(tmp_path.iterdir())


def test_the_traceback_comes_back_when_it_is_asked_for(command):
    done = command("train", "model.depth=99", HYDRA_FULL_ERROR="1")
    assert done.code == 1
    assert "Traceback" in done.err
