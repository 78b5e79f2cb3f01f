"""The splits as loaders, whatever the protocol and the number of processes."""

import re
import shutil
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import albumentations as A
import pytest
import torch

from covseg.config.data import Data, PhantomData
from covseg.data import findings
from covseg.data.augment import Augment
from covseg.data.datamodule import XrayDataModule
from covseg.data.findings import Finding
from covseg.data.fitted import Fitted
from covseg.data.layouts.covid_qu_ex.download import KAGGLE_DATASET
from covseg.data.planes import common_size
from covseg.errors import CovsegError

HOLDOUT = {"fit": ["Train"], "select": "Val", "report": "Test"}
PAPER = {"fit": ["Train", "Val"], "select": None, "report": "Test"}
FOLD = {"fit": ["others"], "select": None, "report": "fold"}
README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture
def make(phantom, tmp_path, trainer):
    """A datamodule over the phantom dataset, set up and with the stand-in of a trainer."""

    def make(protocol=HOLDOUT, attached=None, augment=None, stage=None, more=None, **data):
        settings = {
            "name": "covid_qu_ex",
            "root": str(phantom),
            "cache_dir": str(tmp_path / "cache"),
            "targets": ["infection"],
            "image_size": 32,
            "batch_size": 4,
            "num_workers": 0,
        }
        arguments = {**protocol, "augment": augment, **(more or {})}
        module = XrayDataModule(Data(**settings | data), **arguments)
        module.trainer = attached or trainer()
        module.setup(stage)
        return module

    return make


def rows(loader) -> list[int]:
    return torch.cat([batch.row for batch in loader]).tolist()


def splits(module, loader) -> Counter:
    return Counter(module.index.rows[row].split for row in rows(loader))


def refusal(call, *arguments) -> str:
    with pytest.raises(CovsegError) as caught:
        call(*arguments)
    return str(caught.value)


# --- which split is for what


def test_under_holdout_train_is_fitted_val_selects_and_test_is_reported(make):
    module = make()
    assert splits(module, module.train_dataloader()) == {"Train": 16}
    assert splits(module, module.val_dataloader()) == {"Val": 8}
    assert splits(module, module.test_dataloader()) == {"Test": 6}


def test_under_paper_train_and_val_are_fitted_and_nothing_selects(make):
    module = make(PAPER)
    assert splits(module, module.train_dataloader()) == {"Train": 16, "Val": 8}
    assert module.val_dataloader() == []
    assert splits(module, module.test_dataloader()) == {"Test": 6}


def test_masks_are_resized_and_augmented_for_fitting_only(make):
    class Spoils(Augment):
        def __call__(self, image, masks, *, epoch, row):
            return image * 0, masks

    module = make(augment=Spoils([A.HorizontalFlip()], 0))
    batch = next(iter(module.train_dataloader()))
    assert batch.mask.shape == (4, 1, 32, 32)
    assert not batch.image.any()
    for loader in (module.val_dataloader(), module.test_dataloader()):
        batch = next(iter(loader))
        assert batch.mask.shape == (4, 1, 64, 64)
        assert batch.image.any()


def test_facts_tell_which_data_it_was(make, phantom):
    module = make()
    facts = module.facts()
    assert facts["root"] == str(phantom)
    assert facts["fingerprint"] == module.store.fingerprint
    assert facts["tree"] == "infection"
    assert facts["counts"]["Test"] == {"COVID-19": 4, "Non-COVID": 1, "Normal": 1}


def test_fixed_samples_are_the_rows_as_a_score_sees_them(make):
    module = make(augment=Augment([A.HorizontalFlip(p=1.0)], 0))
    samples = module.fixed_samples([3, 28, 0])
    assert [int(sample.row) for sample in samples] == [3, 28, 0]
    for sample in samples:
        assert sample.image.shape == (1, 32, 32)
        assert torch.equal(
            sample.mask[0], torch.tensor(module.store.masks["infection"][int(sample.row)])
        )


def test_preparing_builds_the_store_and_setting_up_again_maps_the_same(make):
    module = make()
    store = module.store
    module.setup("fit")
    assert module.store is store
    other = make()
    other.prepare_data()
    assert other.store.fingerprint == store.fingerprint


# --- several processes


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_all_processes_together_fit_once_on_an_image_and_score_it_once(make, trainer, world_size):
    fitted, scored, steps = [], [], set()
    for rank in range(world_size):
        module = make(attached=trainer(rank, world_size), batch_size=2)
        loader = module.train_dataloader()
        steps.add(len(loader))
        fitted += rows(loader)
        scored += rows(module.test_dataloader())
    assert len(steps) == 1
    assert len(set(fitted)) == len(fitted) == 16 - 16 % (2 * world_size)
    assert sorted(scored) == module.rows("Test")


def test_a_loader_with_workers_keeps_them_and_gives_the_same(make):
    module = make(num_workers=1)
    loader = module.train_dataloader()
    assert loader.persistent_workers
    assert rows(loader) == rows(loader) == rows(make().train_dataloader())


def test_overfitting_takes_the_same_first_images_again_and_again(make, trainer):
    module = make(attached=trainer(overfit_batches=1))
    loader = module.train_dataloader()
    assert rows(loader) == rows(loader) == module.rows("Train")


# --- without a Trainer


def test_the_readme_shows_the_loaders_in_a_notebook(phantom_zip, tmp_path, monkeypatch):
    shutil.copy(phantom_zip, tmp_path / "archive.zip")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"(?:^ {4}.+\n)+", README.read_text(encoding="utf-8"), re.M)
    [code] = [block for block in blocks if "XrayDataModule(" in block]
    names = {}
    exec(re.sub(r"^ {4}", "", code, flags=re.M), names)
    assert names["image"].shape == (16, 1, 256, 256)
    assert names["mask"].shape == (16, 1, 256, 256)
    assert names["row"].shape == (16,)
    assert names["data"].index.rows[names["row"][0]].split == "Train"


def test_one_process_scores_every_image_without_a_trainer(phantom, make):
    module = make()
    module.trainer = None
    module.check()
    assert module.n_train_batches == 4
    assert sorted(rows(module.test_dataloader())) == module.rows("Test")
    loader = module.train_dataloader()
    first = rows(loader)
    loader.sampler.set_epoch(1)
    assert sorted(first) == sorted(rows(loader)) != first


# --- what is known of copies and of earlier fitting


@pytest.fixture
def pair(make):
    """The first image of Train and the first of Test."""
    index = make().index
    return tuple(index.rows[index.of_split(split)[0]].key for split in ("Train", "Test"))


@pytest.fixture
def file(pair, tmp_path):
    """Findings that say that the pair are copies."""
    findings.write([Finding("near_duplicate", *sorted(pair))], tmp_path / "pair.csv")
    return tmp_path / "pair.csv"


def test_setup_alone_leaves_out_the_excluded_copies(make, pair, file):
    module = make(exclude=str(file))
    assert module.division.excluded() == {"Train": 1}
    assert pair[0] not in {module.index.rows[row].key for row in rows(module.train_dataloader())}
    assert pair[0] not in {module.index.rows[row].key for row in module.fitted}


def test_only_images_of_the_fitted_classes_are_seen_and_count_as_fitted(make):
    whole, module = make(), make(fit_classes=["COVID-19"])
    seen = rows(module.train_dataloader())
    assert {module.index.rows[row].patient_class for row in seen} == {"COVID-19"}
    assert {module.index.rows[row].patient_class for row in module.fitted} == {"COVID-19"}
    assert rows(module.val_dataloader()) == rows(whole.val_dataloader())
    assert rows(module.test_dataloader()) == rows(whole.test_dataloader())


def test_other_data_keeps_the_classes_that_were_not_fitted(make):
    train = {"report": "Train"}
    module = make(fit_classes=["COVID-19"], more=train | {"fingerprint": "another"})
    assert rows(module.test_dataloader()) == rows(make(more=train).test_dataloader())


def test_the_findings_of_a_run_come_before_all_others(make, pair, file, tmp_path):
    findings.write([], tmp_path / "run.csv")
    other = {"more": {"findings": tmp_path / "run.csv"}, "exclude": str(file)}
    assert make(**other).division.excluded() == {}
    (tmp_path / "run.csv").unlink()
    assert make(**other).division.excluded() == {"Train": 1}


def test_the_findings_of_explore_are_read_from_the_cache(make, file):
    module = make()
    assert module.copies is None
    cached = findings.cached(module.data.cache_dir, module.store.fingerprint)
    shutil.copy(file, cached)
    assert len(make().copies.findings) == 1
    cached.write_text("nothing")
    assert f"delete {cached}, and run python -m covseg.explore" in refusal(make)


def test_a_fold_needs_findings(make, file):
    assert refusal(make, FOLD).startswith("data.fold=null does not go together with report=fold")
    assert "data.fold=1 does not go together" in refusal(lambda: make(fold=1))
    sentence = refusal(lambda: make(FOLD, fold=1))
    assert sentence.startswith("data.fold=1 keeps copies in one fold, and it is not known which")
    module = make(FOLD, fold=1, more={"findings": file})
    assert sorted(module.rows("fold", "others")) == list(range(30))
    assert module.fitted == set(module.rows("others"))


def test_other_data_has_no_fitted_parts_and_no_known_copies(make, file, pair):
    before = make()
    fitted = Fitted().with_rows(before.store, [3])
    more = {"findings": file, "fitted_before": fitted, "fingerprint": "of other data"}
    module = make(exclude=str(file), more=more)
    assert (module.same_data, module.copies, module.fitted) == (False, None, {3})
    assert not module.fits("Train")
    assert module.division.excluded() == {}
    module = make(exclude=str(file), more=more | {"fingerprint": before.store.fingerprint})
    assert module.fits("Train")
    assert module.fitted == {3, *module.rows("Train")}


def test_a_run_that_resumes_skips_the_batches_that_are_done(make, trainer):
    attached = trainer()
    attached.current_epoch = 2
    whole = make(attached=attached, more={"start": (2, 0)})
    module = make(attached=attached, more={"start": (2, 3)})
    assert rows(module.train_dataloader()) == rows(whole.train_dataloader())[12:]
    assert module.n_train_batches == 4
    attached.current_epoch = 3
    assert len(module.train_dataloader()) == 4


# --- what cannot be


@pytest.mark.parametrize(
    ("gone", "protocol"),
    [("Train", HOLDOUT), ("Val", HOLDOUT), ("Val", PAPER), ("Test", HOLDOUT)],
)
def test_a_split_without_images_is_named_before_anything_is_decoded(
    gone, protocol, make, copy, tmp_path
):
    shutil.rmtree(next(copy.rglob(gone)))
    sentence = refusal(lambda: make(protocol, root=str(copy), stage="fit"))
    assert sentence.startswith(f"data.root={copy} has no image in the split {gone}")
    assert not list((tmp_path / "cache").glob("store*"))


def test_scoring_needs_the_split_that_is_scored_alone(make, copy):
    for split in ("Train", "Val"):
        shutil.rmtree(next(copy.rglob(split)))
    module = make(root=str(copy))
    assert len(rows(module.test_dataloader())) == 6
    assert "has no image in the split Train" in refusal(module.train_dataloader)


def test_a_class_that_a_split_lacks_is_said_once(make, copy, trainer, caplog):
    for split, patient_class in (("Train", "COVID-19"), ("Val", "Normal"), ("Val", "Non-COVID")):
        shutil.rmtree(next(copy.rglob(f"{split}/{patient_class}")))
    for rank in (0, 1):
        make(root=str(copy), batch_size=1, attached=trainer(rank, 2)).check()
    assert caplog.messages == [
        "Train has no image of the class COVID-19",
        "Val has no image of the class Non-COVID or Normal",
    ]


@pytest.mark.parametrize("world_size", [1, 2, 3, 16])
def test_a_batch_that_is_too_large_is_refused_with_one_that_fits(world_size, make, trainer):
    attached = trainer(0, world_size)
    sentence = refusal(make(attached=attached, batch_size=17).train_dataloader)
    assert sentence.startswith("data.batch_size=17 times")
    proposed = int(re.search(r"set data.batch_size=(\d+) or less", sentence)[1])
    assert len(make(attached=attached, batch_size=proposed).train_dataloader()) == 1
    refusal(make(attached=attached, batch_size=proposed + 1).train_dataloader)


def test_more_processes_than_fitting_images_are_not_mended_by_a_smaller_batch(make, trainer):
    sentence = refusal(make(attached=trainer(0, 17), batch_size=1).train_dataloader)
    assert "data.batch_size=1 or less" not in sentence
    assert "trainer.devices=16" in sentence


def test_more_processes_than_scored_images_are_refused(make, trainer):
    sentence = refusal(make(attached=trainer(0, 7)).test_dataloader)
    assert sentence.startswith("trainer.devices=7 is more than the 6 images of Test")
    assert "trainer.devices=6" in sentence
    assert len(rows(make(attached=trainer(5, 6)).test_dataloader())) == 1


@pytest.mark.parametrize(
    ("data", "world_size", "words"),
    [
        ({"batch_size": 17}, 1, "data.batch_size=17"),
        ({"batch_size": 1}, 7, "trainer.devices=7 is more than the 6 images of Test"),
    ],
)
def test_a_check_refuses_what_a_loader_would_refuse_later(data, world_size, words, make, trainer):
    make().check()
    assert words in refusal(make(attached=trainer(0, world_size), **data).check)


def test_missing_data_is_refused_before_anything_is_built(make, tmp_path):
    assert KAGGLE_DATASET in refusal(lambda: make(root=str(tmp_path / "nothing")))
    assert not (tmp_path / "cache").exists()


# --- where the data comes from


@pytest.fixture
def kaggle(monkeypatch, phantom):
    asked = []
    fake = SimpleNamespace(dataset_download=lambda name: asked.append(name) or str(phantom))
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    return asked


def test_data_that_is_not_there_is_downloaded_when_that_is_asked_for(make, kaggle, tmp_path):
    module = make(root=str(tmp_path / "nothing"), download=True)
    assert kaggle == [KAGGLE_DATASET]
    assert len(module.index.rows) == 30


def test_data_that_is_there_is_not_downloaded(make, kaggle):
    make(download=True)
    assert kaggle == []


def test_without_a_root_the_data_is_downloaded_when_that_is_asked_for(
    make, kaggle, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    make(root=None, download=True)
    assert kaggle == [KAGGLE_DATASET]


def test_a_phantom_is_drawn_below_the_cache_unless_a_root_is_given(make, tmp_path):
    phantom = PhantomData(seed=1, n_images={"Train": 4, "Val": 3, "Test": 3}, lung_tree=False)
    assert len(make(phantom=phantom, name="phantom").index.rows) == 30
    assert not list((tmp_path / "cache").glob("phantom-*"))
    module = make(root=None, phantom=phantom, name="phantom")
    assert module.index.counts()["Train"] == {"COVID-19": 2, "Non-COVID": 1, "Normal": 1}
    assert len(module.store.images) == 10
    assert common_size(module.store.images) == (256, 256)
    assert len([p for p in (tmp_path / "cache").glob("phantom-*") if p.is_dir()]) == 1


def test_the_same_few_images_are_for_one_process(make, trainer):
    sentence = refusal(make(attached=trainer(0, 2, overfit_batches=2)).train_dataloader)
    assert sentence.startswith("trainer.overfit_batches=2 would give each of 2 processes the same")


def test_a_rest_of_one_image_is_no_batch_to_fit(make, trainer):
    module = make(attached=trainer(overfit_batches=9), batch_size=3)
    assert {len(batch.row) for batch in module.train_dataloader()} == {3}
    assert sum(len(batch.row) for batch in module.test_dataloader()) == 6


@pytest.mark.parametrize("name", ["limit_train_batches", "limit_val_batches", "limit_test_batches"])
def test_a_limit_below_one_batch_is_refused_before_any_training(name, make, trainer):
    attached = trainer()
    setattr(attached, name, 0.01)
    sentence = refusal(make(attached=attached).check)
    assert sentence.startswith(f"trainer.{name}=0.01 is less than one of the ")
    setattr(attached, name, 1)  # one batch
    make(attached=attached).check()


def test_a_limit_that_another_key_has_set_is_named_by_that_key(make, trainer):
    attached = trainer(overfit_batches=0.01)
    attached.limit_train_batches = attached.limit_val_batches = 0.01
    assert refusal(make(attached=attached).check).startswith("trainer.overfit_batches=0.01 is less")
