"""On the command line.

Each is refused before torch is imported.
"""

import shlex

import pytest

MISTAKES = {
    "a key misspelt": "trainer.max_epoch=3",
    "a key misspelt, after +": "+trainer.max_epoch=3",
    "a key written correctly and misspelt": "trainer.max_epochs=3 trainer.max_epoch=3",
    "a key of the top level misspelt": "sead=3",
    "a key deep down misspelt": "data=phantom data.phantom.sed=3",
    "a key without its group": "lr=1e-3",
    "a key with another name": "epochs=3",
    "a key of another group": "trainer.batch_size=3",
    "a key that is a group of its own": "trainer.logger=false",
    "a key of data that is not in use": "data.phantom.seed=1",
    "a group misspelt": "modle=unet3",
    "an option that does not exist": "model=unet9",
    "an option misspelt": "optimizer=adamm",
    "a preset that does not exist": "experiment=demmo",
    "a part removed that does not exist": "~callbacks.picturess",
    "text instead of a number": "model.depth=three",
    "half an image": "data.batch_size=1.5",
    "no image": "data.batch_size=0",
    "too deep": "model.depth=99",
    "a negative learning rate": "optimizer.lr=-1",
    "a threshold above 1": "protocol.threshold=1.5",
    "a threshold that is a word": "protocol.threshold=best",
    "too many loader processes": "data.num_workers=1000",
    "a negative number of epochs": "trainer.max_epochs=-3",
    "a negative seed": "seed=-1",
    "text that is not among the choices": "model.norm=layer",
    "a target that the data lacks": "data.targets=[lungs]",
    "a target twice": "data.targets=[lung,lung]",
    "two weights for one target": "data.target_weights=[1,0.3]",
    "a split misspelt": "data=phantom data.phantom.n_images={Trian:8}",
    "a precision that does not exist": "trainer.precision=fp8",
    "an accelerator that does not exist": "trainer.accelerator=tpuu",
    "a number of devices that is not a number": "trainer.devices=1.5",
    "a key of an option that was not chosen": "loss.gamma=1",
    "null for a group": "model=null",
    "no class to fit on": "data.fit_classes=[]",
    "an address of an encoder": "model=smp_unet model.encoder_name=hf-hub:someone/something",
    "a file of weights for an encoder of timm": (
        "model=smp_unet model.encoder_name=tu-resnet18 model.encoder_weights=resnet18.pth"
    ),
    "a checkpoint for timm": "model=smp_unet +model.checkpoint_path=resnet18.pth",
    "a group removed": "~model",
    "a clipping algorithm without a bound": "trainer.gradient_clip_algorithm=value",
    "min_epochs above max_epochs": "trainer.min_epochs=9 trainer.max_epochs=2",
    "a split that is fitted twice": "protocol.fit=[Train,Train]",
    "an optimizer that maximizes": "+optimizer.maximize=true",
    "plateau without the end of an epoch": "scheduler=plateau trainer.check_val_every_n_epoch=null",
    "a time limit without checkpoints": "trainer.max_time=00:01:00:00 "
    "trainer.enable_checkpointing=false protocol.checkpoint=last",
    "a time limit that is not a duration": "trainer.max_time={days:x}",
    "a time in hours": "trainer.max_time=12h",
    "a time limit of zero": "trainer.max_time=00:00:00:00",
    "the image too small for the network": "data.image_size=8 model.depth=5",
    "the image no multiple of what the network needs": "data.image_size=100 model.depth=3",
    "one value for batch norm": "data.image_size=32 data.batch_size=1 model.depth=5",
    "the best checkpoint without a selecting split": "protocol=paper protocol.checkpoint=best",
    "selecting on a fitted split": "protocol.fit=[Train,Val]",
    "reporting a fitted split": "protocol=paper protocol.report=Val",
    "kfold without a fold": "protocol=kfold",
    "a fold after the last": "protocol=kfold data.fold=5",
    "a fold without kfold": "data.fold=1",
    "kfold with data.exclude": "protocol=kfold data.fold=1 data.exclude=findings.csv",
    "a fold reported that was fitted": "protocol.report=fold",
    "a threshold to be chosen without a selecting split": "protocol=paper protocol.threshold=auto",
    "plateau without a selecting split": "protocol=paper scheduler=plateau",
    "early stopping without a selecting split": "protocol=paper callbacks=early_stopping",
    "early stopping without validation": (
        "callbacks=early_stopping trainer.limit_val_batches=0 protocol.checkpoint=last"
    ),
    "plateau without validation": (
        "scheduler=plateau trainer.limit_val_batches=0 protocol.checkpoint=last"
    ),
    "no validation before the end": "trainer.max_epochs=2 trainer.check_val_every_n_epoch=5",
    "zero epochs": "protocol=paper trainer.max_epochs=0",
    "zero steps": "protocol=paper trainer.max_steps=0",
    "a schedule for a run without end": "scheduler=cosine trainer.max_epochs=-1",
    "the best checkpoint without checkpoints": "trainer.enable_checkpointing=false",
    "checkpoints within epochs that are cut short": (
        "callbacks.checkpoint_every_n_steps=5 trainer.limit_train_batches=3"
    ),
    "the learning rate monitor without a logger": (
        "+callbacks.lr._target_=lightning.pytorch.callbacks.LearningRateMonitor"
    ),
    "averaged weights with the best checkpoint": (
        "+callbacks.swa._target_=lightning.pytorch.callbacks.StochasticWeightAveraging "
        "+callbacks.swa.swa_lrs=0.01"
    ),
    "a strategy with checkpoints of its own": "trainer.strategy=fsdp",
    "a fused optimizer beside clipping and 16 bits": (
        "+optimizer.fused=true trainer.gradient_clip_val=1 trainer.precision=bf16-mixed"
    ),
    "an argument of a logger without its +": "logger=wandb logger.wandb.group=g1",
    "a foreign program as the loss": "loss._target_=os.system",
    "a part misspelt": "loss._target_=covseg.learn.losses.Tverski",
    "a key of Hydra's own": "+loss._partial_=true",
    "an interpolation of a key that does not exist": "'name=${nowhere}'",
    "a path with brackets": "'data.root=archive (1).zip'",
    "a path with a comma": "data.root=a,b.zip",
    "a path with an equals sign": "data.root=a=b.zip",
    "several values without -m": "model.depth=2,3",
    "one of several values impossible": "-m model.depth=2,77",
    "overrides on both sides of -m": "seed=1 -m model.depth=2,3",
    "an unknown option": "--epochs 3",
    "another configuration altogether": "--config-path=/etc",
    "no override at all": "a=b=c[",
    "a key without a value": "demo",
    "a letter that needs quotes": "data.root=/home/Müller/archive.zip",
    "a preset chosen with +": "+experiment=debug",
    "an existing key with +": "+model.depth=2",
    "keys with values where a list belongs": "tags={a:1}",
    "a variable of the environment that is not set": "'name=${oc.env:NOWHERE}'",
    "an empty path": "data.root=",
    "several values inside of one": "-m 'model.depth=choice(1,2),3'",
    "no value of several": "-m 'seed=range(0,4,-1)'",
    "too many runs": "-m 'seed=range(0,1e9)'",
    "too many phantoms": "data=phantom data.phantom.n_images.Val=1000000000",
    "a pickle as a command line": "--experimental-rerun=config.pickle",
    "--resolve without --cfg": "--resolve",
    "a key misspelt, after --cfg": "--cfg job sead=1",
    "an option that does not exist, after --help": "--help model=unet9",
    "a run folder from a key that does not exist": "'hydra.run.dir=${nowhere}'",
    "a foreign program as a callback of Hydra": "+hydra.callbacks.mine._target_=os.system",
}


@pytest.mark.parametrize("words", MISTAKES.values(), ids=MISTAKES)
def test(words, said, tmp_path):
    said.refused("train", *shlex.split(words), torch=False)
    assert not list(tmp_path.iterdir())


def test_the_traceback_comes_back_when_it_is_asked_for(command):
    done = command("train", "model.depth=99", HYDRA_FULL_ERROR="1")
    assert done.code == 1
    assert "Traceback" in done.err
