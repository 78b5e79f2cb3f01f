"""On the command line.

Each is made by the real command in a process of its own, which must not have imported torch yet.
"""

import pytest

MISTAKES = {
    "a key misspelt": "trainer.max_epoch=3",
    "a key misspelt, behind +": "+trainer.max_epoch=3",
    "a key right once and misspelt once": "trainer.max_epochs=3 trainer.max_epoch=3",
    "a key of the top level misspelt": "sead=3",
    "a key deep down misspelt": "data=phantom data.phantom.sed=3",
    "a key without its group": "lr=1e-3",
    "a key that another group sets": "trainer.logger=false",
    "a group misspelt": "modle=unet3",
    "an option that there is not": "model=unet9",
    "an option misspelt": "optimizer=adamm",
    "a preset that there is not": "experiment=demmo",
    "a word for a number": "model.depth=three",
    "half an image": "data.batch_size=1.5",
    "no image": "data.batch_size=0",
    "too deep": "model.depth=99",
    "a negative learning rate": "optimizer.lr=-1",
    "a threshold beyond 1": "protocol.threshold=1.5",
    "too many loader processes": "data.num_workers=1000",
    "no epoch": "trainer.max_epochs=-3",
    "a seed that is none": "seed=-1",
    "another word for a choice": "model.norm=layer",
    "a target that the data lacks": "data.targets=[lungs]",
    "a target twice": "data.targets=[lung,lung]",
    "a precision that there is not": "trainer.precision=fp8",
    "an accelerator that there is not": "trainer.accelerator=tpuu",
    "the image too small for the network": "data.image_size=8 model.depth=5",
    "the image no multiple of what the network needs": "data.image_size=100 model.depth=3",
    "the best checkpoint where nothing is chosen": "protocol=paper protocol.checkpoint=best",
    "choosing on what is fitted": "protocol.fit=[Train,Val]",
    "reporting what was fitted": "protocol=paper protocol.report=Val",
    "plateau where nothing is watched": "protocol=paper scheduler=plateau",
    "early stopping where nothing is watched": "protocol=paper callbacks=early_stopping",
    "a schedule for a run without end": "scheduler=cosine trainer.max_epochs=-1",
    "no checkpoints, and the best of them": "trainer.enable_checkpointing=false",
    "another program as the loss": "loss._target_=os.system",
    "a key of Hydra's own": "+loss._partial_=true",
    "several values without -m": "model.depth=2,3",
    "one of several values impossible": "-m model.depth=2,77",
    "overrides on both sides of -m": "seed=1 -m model.depth=2,3",
    "an option of no program": "--epochs 3",
    "no override at all": "a=b=c[",
}


@pytest.mark.parametrize("words", MISTAKES.values(), ids=MISTAKES)
def test(words, said, tmp_path):
    said.refused("train", *words.split(), alone=True)
    assert not list(tmp_path.iterdir())
