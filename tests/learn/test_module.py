"""One step through a real Trainer: what is learnt, logged, saved and refused."""

import copy
from pathlib import Path

import cv2
import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils._python_dispatch import TorchDispatchMode

from covseg import build
from covseg.data.dataset import Sample, to_network
from covseg.errors import CovsegError, TrainingError
from covseg.learn.checkpoint import load_weights
from covseg.learn.losses import BCE
from covseg.measure.counts import FIELDS
from covseg.report.curves import Curves


class TrainingLosses(L.Callback):
    """The mean loss of each epoch, gathered batch by batch."""

    def __init__(self) -> None:
        self.epochs: list[list[float]] = []

    def on_train_epoch_start(self, trainer, pl_module) -> None:
        self.epochs.append([])

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.epochs[-1].append(float(outputs["loss"]))


class BrokenOnce(torch.nn.Module):
    """A loss that is broken at one step of training, or of validation."""

    def __init__(self, step: int, value: float, training: bool) -> None:
        super().__init__()
        self.loss, self.step, self.value, self.when = BCE(), step, value, training
        self.seen = 0

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        self.seen += self.training == self.when
        broken = self.training == self.when and self.seen == self.step
        return self.loss(logits, mask) * (self.value if broken else 1)


def by_hand(module, data, split: str) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(logits, probability, mask) of each image at the size of its mask, with OpenCV's resizing."""
    module.eval()
    images = []
    for sample in data.fixed_samples(data.rows(split)):
        with torch.no_grad():
            logits = module.network(to_network(sample.image)[None])[0, 0]
        side = sample.mask.shape[-2:]
        planes = [cv2.resize(plane.numpy(), side) for plane in (logits, logits.sigmoid())]
        images.append((*planes, sample.mask[0].numpy()))
    return images


def types_in(value: object) -> set[type]:
    if isinstance(value, dict):
        return {type(value)}.union(*map(types_in, value.keys()), *map(types_in, value.values()))
    if isinstance(value, list):
        return {type(value)}.union(*map(types_in, value))
    return {type(value)}


def test_the_loss_falls_when_a_few_images_are_learnt_by_heart(fit):
    losses = TrainingLosses()
    fit("trainer.max_epochs=25", "optimizer.lr=0.01", "model.base_channels=8", callbacks=(losses,))
    means = [np.mean(epoch) for epoch in losses.epochs]
    assert len(means) == 25
    assert means[-1] < means[0] / 3


@pytest.mark.parametrize("batch_size", [4, 3])
def test_what_is_logged_on_val_is_what_the_probabilities_say(fit, batch_size):
    trainer, module, data = fit("optimizer.lr=0.02", f"data.batch_size={batch_size}")
    logged = {k: v.item() for k, v in trainer.callback_metrics.items() if k.startswith("val/")}
    images = by_hand(module, data, "Val")
    assert len(images) == 4
    assert images[0][2].shape == (256, 256)
    squares = [np.square(p - t).mean() for _, p, t in images]
    assert logged["val/rmse_per_image"] == pytest.approx(np.mean(np.sqrt(squares)), abs=1e-5)
    assert logged["val/rmse_pooled"] == pytest.approx(np.sqrt(np.mean(squares)), abs=1e-5)
    dice = [
        2 * ((p > 0.5) & (t == 1)).sum() / ((p > 0.5).sum() + t.sum())
        for _, p, t in images
        if t.any()
    ]
    assert logged["val/dice_positive"] == pytest.approx(np.mean(dice), abs=1e-3)
    bce = [np.mean(np.logaddexp(0, x) - x * t) for x, _, t in images]
    assert logged["val/loss"] == pytest.approx(np.mean(bce), abs=1e-5)


def test_a_score_is_logged_with_the_threshold_of_the_protocol(fit):
    trainer, module, data = fit("protocol.threshold=0.25", "optimizer.lr=0.02")
    images = by_hand(module, data, "Val")
    hits = sum(((p > 0.25) & (t == 1)).sum() for _, p, t in images)
    recall = hits / sum(t.sum() for *_, t in images)
    assert trainer.callback_metrics["val/recall_pooled"].item() == pytest.approx(recall, abs=1e-3)


def test_testing_collects_every_image_once_with_its_row(fit):
    trainer, module, data = fit("data.batch_size=3")
    trainer.test(module, data.score_loader("Test"), verbose=False)
    collected = module.collected.numpy()
    assert collected[:, 0].tolist() == data.rows("Test")
    squared = [np.square(p - t).sum() for _, p, t in by_hand(module, data, "Test")]
    np.testing.assert_allclose(collected[:, 1 + FIELDS.index("squared_error")], squared, rtol=1e-4)
    trainer.test(module, data.score_loader("Val"), verbose=False)
    assert module.collected[:, 0].tolist() == data.rows("Val")  # nothing of Test is left in it


def test_two_targets_are_trained_and_recorded_side_by_side(fit):
    trainer, module, data = fit("data.targets=[infection,lung]")
    trainer.test(module, data.score_loader("Test"), verbose=False)
    assert module.collected.shape == (4, 1 + 2 * len(FIELDS))
    truth = module.collected[:, [2, 2 + len(FIELDS)]].numpy()
    store, rows = data.store, data.rows("Test")
    for place, target in enumerate(("infection", "lung")):
        assert truth[:, place].tolist() == [store.masks[target][row].sum() for row in rows]


def test_the_first_target_is_the_one_that_val_scores(fit):
    """The second one may be there only to help."""
    _, module, data = fit("data.targets=[infection,lung]", "data.target_weights=[1,0.3]")
    squared = [np.square(p - t).mean() for _, p, t in by_hand(module, data, "Val")]
    rmse = float(np.mean(np.sqrt(squared)))
    assert module.val_values["val/rmse_per_image"] == pytest.approx(rmse, abs=1e-6)


def test_scores_do_not_depend_on_the_precision_of_the_steps(fit, configured):
    trainer, module, data = fit("trainer.precision=bf16-mixed")
    trainer.test(module, data.score_loader("Test"), verbose=False)
    squared = [np.square(p - t).sum() for _, p, t in by_hand(module, data, "Test")]  # in float32
    collected = module.collected.numpy()[:, 1 + FIELDS.index("squared_error")]
    np.testing.assert_allclose(collected, squared, rtol=1e-5)


def test_a_broken_loss_names_epoch_batch_and_images_and_the_last_checkpoint_loads(
    fit, configured, tmp_path
):
    keep = ModelCheckpoint(tmp_path / "kept", save_last=True, filename="epoch")

    def prepare(module) -> None:  # two batches an epoch: the fourth is epoch 2, batch 2
        module.loss = BrokenOnce(4, float("nan"), training=True)

    with pytest.raises(TrainingError) as refusal:
        fit("trainer.enable_checkpointing=true", callbacks=(keep,), prepare=prepare)
    config = configured()
    data = build.datamodule(config.data, config.protocol, report="Test", seed=config.seed)
    data.setup()
    places = np.random.default_rng((config.seed, 1)).permutation(8)[4:]
    train = [row.name for row in data.index.rows if row.split == "Train"]
    names = ", ".join(train[place] for place in places)
    assert str(refusal.value).startswith(
        f"the training loss of epoch 2, batch 2 ({names}) is nan: "
    )
    network = build.network(config)
    load_weights(network, tmp_path / "kept" / "last.ckpt")
    assert all(weight.isfinite().all() for weight in network.parameters())


def test_a_broken_loss_on_val_names_its_images(fit, configured):
    def prepare(module) -> None:  # batches of 3 and 1 image
        module.loss = BrokenOnce(4, float("inf"), training=False)

    with pytest.raises(TrainingError) as refusal:
        fit("data.batch_size=3", prepare=prepare)
    config = configured()
    data = build.datamodule(config.data, config.protocol, report="Test", seed=config.seed)
    data.setup()
    last = data.index.rows[data.rows("Val")[-1]].name
    assert str(refusal.value).startswith(f"the Val loss of epoch 2, batch 2 ({last}) is inf: ")


def test_broken_weights_are_not_written_over_a_good_checkpoint(fit, tmp_path):
    trainer, module, _ = fit()
    path = tmp_path / "last.ckpt"
    trainer.save_checkpoint(path)
    good = path.read_bytes()
    module.network.head.weight.data[0, 0] = float("nan")
    with pytest.raises(TrainingError, match=r"network\.head\.weight.*no longer finite"):
        trainer.save_checkpoint(path)
    assert path.read_bytes() == good


def test_a_checkpoint_holds_plain_values_only(fit, tmp_path):
    trainer, module, _ = fit("scheduler=one_cycle", "loss=tversky", "callbacks=default")
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    checkpoint = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert types_in(checkpoint["hyper_parameters"]) <= {
        dict,
        list,
        str,
        int,
        float,
        bool,
        type(None),
    }
    assert checkpoint["hyper_parameters"]["model"]["depth"] == 2
    assert checkpoint["hyper_parameters"]["loss"]["_target_"] == "covseg.learn.losses.Tversky"
    assert set(checkpoint["state_dict"]) == {f"network.{k}" for k in module.network.state_dict()}


def test_a_compiled_network_keeps_its_names_and_is_scored_without_the_compiler(fit, tmp_path):
    calls = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]):
        def run(*arguments: torch.Tensor):
            calls.append(torch.is_grad_enabled())
            return graph.forward(*arguments)

        return run

    def prepare(module) -> None:
        module.network.compile(backend=backend)

    trainer, module, data = fit("model.norm=none", "trainer.max_epochs=1", prepare=prepare)
    assert calls == [True, True]  # two training batches; not the batch of Val
    sample = data.fixed_samples(data.rows("Test"))[0]
    module.eval()
    module.probability(sample.image[None], sample.mask[None])
    trainer.test(module, data.score_loader("Test"), verbose=False)
    assert len(calls) == 2
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    names = torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"].keys()
    assert not [name for name in names if "_orig_mod" in name]
    load_weights(module.network, tmp_path / "a.ckpt")


def test_a_plateau_schedule_watches_the_rmse_on_val(fit):
    trainer, module, _ = fit(
        *("scheduler=plateau", "scheduler.patience=0", "scheduler.factor=0.5"),
        *("optimizer=sgd", "optimizer.lr=1e-6", "trainer.max_epochs=3", "model.norm=none"),
    )
    plan = module.configure_optimizers()["lr_scheduler"]
    assert (plan["monitor"], plan["interval"]) == ("val/rmse_per_image", "epoch")
    # hardly anything is learnt at this rate: every epoch after the first reduces it
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.25e-6)
    best = trainer.lr_scheduler_configs[0].scheduler.best
    assert best == pytest.approx(trainer.callback_metrics["val/rmse_per_image"].item(), rel=1e-3)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_schedule_by_steps_ends_with_the_run(fit, accumulate):
    trainer, *_ = fit(
        *("scheduler=cosine", "scheduler.final_lr=1e-5", "optimizer.lr=1e-3"),
        *("trainer.max_epochs=3", f"trainer.accumulate_grad_batches={accumulate}"),
    )
    assert trainer.global_step == 6 // accumulate
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-5)


def test_a_schedule_without_an_end_of_the_run_is_refused_with_a_sentence(fit):
    with pytest.raises(CovsegError):
        fit("scheduler=cosine", "trainer.max_epochs=-1", "trainer.max_time='00:00:00:01'")


def test_without_a_schedule_the_rate_stays(fit):
    trainer, module, _ = fit("optimizer.lr=3e-4")
    assert isinstance(module.configure_optimizers(), torch.optim.Adam)
    assert trainer.optimizers[0].param_groups[0]["lr"] == 3e-4


def test_a_probability_is_float32_whatever_the_precision_of_training(fit):
    _, module, data = fit("trainer.precision=bf16-mixed", "trainer.max_epochs=1")
    sample = data.fixed_samples(data.rows("Val"))[0]
    with torch.autocast("cpu", torch.bfloat16):
        probability = module.probability(sample.image[None], sample.mask[None])
    assert isinstance(sample, Sample)
    assert probability.dtype == torch.float32
    assert probability.shape == (1, 1, 32, 32)


def test_the_same_seed_trains_the_same_weights(fit):
    first, second = (fit("trainer.max_epochs=1")[1].network.state_dict() for _ in range(2))
    other = fit("trainer.max_epochs=1", "seed=1")[1].network.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


# --- steps of several batches


def weights_after(fit, *overrides: str) -> dict[str, torch.Tensor]:
    words = (
        "optimizer=sgd",
        "optimizer.lr=0.1",
        "optimizer.momentum=0",
        "optimizer.nesterov=false",
    )
    network = fit(*words, "model.norm=none", "trainer.max_epochs=1", *overrides)[1].network
    return {name: weight.clone() for name, weight in network.state_dict().items()}


@pytest.mark.parametrize(("batch_size", "accumulate"), [(1, 8), (2, 4), (2, 100), (4, 3)])
def test_a_step_of_several_batches_is_the_step_of_one_large_batch(batch_size, accumulate, fit):
    """Independent reference: all eight images in one batch."""
    one = weights_after(fit, "data.batch_size=8")
    several = weights_after(
        fit, f"data.batch_size={batch_size}", f"trainer.accumulate_grad_batches={accumulate}"
    )
    for name, weight in one.items():
        torch.testing.assert_close(several[name], weight, rtol=1e-4, atol=1e-6)


def test_the_last_step_of_an_epoch_weighs_its_images_as_the_others_do(fit):
    """Batches of 1 in steps of 3, 3 and 2: by hand, with torch alone."""
    seen: list[Sample] = []

    class Keep(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
            seen.append(batch)

    words = (
        "optimizer=sgd",
        "optimizer.lr=0.1",
        "optimizer.momentum=0",
        "optimizer.nesterov=false",
    )
    first: dict[str, torch.Tensor] = {}
    _, module, _ = fit(
        *(*words, "model.norm=none", "trainer.max_epochs=1", "data.batch_size=1"),
        "trainer.accumulate_grad_batches=3",
        callbacks=(Keep(),),
        prepare=lambda module: first.update(copy.deepcopy(module.network.state_dict())),
    )
    network = copy.deepcopy(module.network)
    network.load_state_dict(first)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    assert len(seen) == 8
    for step in (seen[:3], seen[3:6], seen[6:]):
        image, mask = (torch.cat([batch[n] for batch in step]) for n in (0, 1))
        optimizer.zero_grad()
        BCE()(network(to_network(image)), mask).backward()
        optimizer.step()
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(module.network.state_dict()[name], weight, rtol=1e-4, atol=1e-6)


# --- what is watched


def test_an_undefined_score_is_the_worst_one_to_whoever_watches_it_and_is_logged_nowhere(
    fit, tmp_path
):
    """A threshold of 1 predicts nothing: precision is 0/0 in every epoch."""
    seen = []

    class Watch(Callback):
        def on_validation_end(self, trainer, pl_module) -> None:
            seen.append(trainer.callback_metrics["val/precision_pooled"].item())

    logger = CSVLogger(tmp_path)
    stop = EarlyStopping("val/precision_pooled", mode="max", patience=1)
    trainer, *_ = fit(
        *("protocol.threshold=1.0", "trainer.max_epochs=5", "trainer.log_every_n_steps=1"),
        callbacks=(Watch(), stop, Curves()),
        loggers=(logger,),
    )
    assert seen == [0.0, 0.0]  # the second epoch is not better: patience is over
    assert trainer.current_epoch == 2
    header = Path(logger.log_dir, "metrics.csv").read_text().partition("\n")[0].split(",")
    assert "val/recall_pooled" in header
    assert "val/precision_pooled" not in header


def test_a_score_of_an_epoch_before_is_not_seen_again_where_it_is_undefined(fit):
    seen = []

    class Watch(Callback):
        def on_validation_start(self, trainer, pl_module) -> None:
            pl_module.network.head.weight.data.zero_()
            everywhere = 50.0 if trainer.current_epoch == 0 else -50.0
            pl_module.network.head.bias.data.fill_(everywhere)

        def on_validation_end(self, trainer, pl_module) -> None:
            seen.append(trainer.callback_metrics["val/precision_pooled"].item())

    fit(callbacks=(Watch(),))
    assert 0 < seen[0] < 1
    assert seen[1] == 0.0


# --- precision and speed


def test_a_mean_over_many_steps_is_not_rounded_with_the_network(fit):
    """Protects: 300 losses of 0.1 averaged to 0.125 where their sum was kept in bf16."""
    _, module, _ = fit("trainer.precision=bf16-true", "trainer.max_epochs=1")
    for _ in range(300):
        module.train_loss.update(torch.tensor(0.1))
        module.train_rmse.update(torch.full((1000,), 0.5), torch.zeros(1000))
    assert module.train_loss.compute().item() == pytest.approx(0.1, rel=1e-4)
    assert module.train_rmse.compute().item() == pytest.approx(0.5, rel=1e-4)
    assert next(module.network.parameters()).dtype == torch.bfloat16


class Waits(TorchDispatchMode):
    """Counts what makes a host wait for a device: a number read, or copied there."""

    NAMES = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "lift_fresh")

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in self.NAMES:
            self.calls.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


class InEachStep(Callback):
    """Waits from a batch that is on its device to the end of its step, but for the first batch."""

    def __init__(self) -> None:
        self.waits, self.n_steps = Waits(), 0

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if batch_idx:
            self.waits.__enter__()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if batch_idx:
            self.waits.__exit__(None, None, None)
            self.n_steps += 1


@pytest.mark.parametrize(
    "words",
    [
        ("loss=bce", "loss.positive_weight=2.0"),
        ("loss=focal", "scheduler=one_cycle", "trainer.gradient_clip_val=1"),
        ("loss=tversky", "trainer.precision=bf16-mixed"),
        ("loss=bce_dice", "trainer.accumulate_grad_batches=3"),
    ],
)
def test_no_step_waits_for_the_device(words, fit):
    """Adam reads its own counters, which lie on the host, so that SGD stands for all."""
    watch = InEachStep()
    fit("optimizer=sgd", "data.batch_size=1", *words, callbacks=(watch,))
    assert watch.n_steps == 14
    assert watch.waits.calls == []


def test_a_step_that_waits_is_noticed(fit):
    """The test above can fail."""
    watch = InEachStep()

    def prepare(module) -> None:
        module.loss = BrokenOnce(3, 1.0, training=True)
        module.loss.register_forward_hook(lambda _, __, loss: loss.item() and None)

    fit("optimizer=sgd", "data.batch_size=1", prepare=prepare, callbacks=(watch,))
    assert watch.waits.calls == ["_local_scalar_dense"] * watch.n_steps


def test_a_broken_loss_is_named_though_many_are_looked_at_at_once(fit):
    """The third of eight batches is broken, and the weights after it with it."""

    def prepare(module) -> None:
        module.loss = BrokenOnce(3, float("nan"), training=True)

    with pytest.raises(TrainingError) as refusal:
        fit("data.batch_size=1", prepare=prepare)
    assert str(refusal.value).startswith("the training loss of epoch 1, batch 3 (")
