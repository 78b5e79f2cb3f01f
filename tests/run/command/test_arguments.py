"""The words of a command line, and the single runs of a sweep."""

import pytest

from covseg.errors import ConfigError
from covseg.run.command.arguments import jobs as of_sweep
from covseg.run.command.arguments import parse
from covseg.run.command.compose import composer


def jobs(overrides: list[str]) -> list[list[str]]:
    with composer("train", None, []):
        return list(of_sweep(overrides))


def test_a_sweep_becomes_its_single_runs() -> None:
    found = jobs(["model.depth=2,3", "optimizer=adam", "seed=range(0,2)"])
    assert found == [
        [f"model.depth={depth}", "optimizer=adam", f"seed={seed}"]
        for depth in (2, 3)
        for seed in (0, 1)
    ]


def test_an_interval_is_the_sweepers_to_choose_from() -> None:
    assert jobs(["optimizer.lr=interval(0.1,1)", "seed=1"]) == [["seed=1"]]


def test_a_glob_is_every_option_of_a_group() -> None:
    found = [job[0] for job in jobs(["model=glob(*)"])]
    names = ("lite_unet", "monai_segresnet", "smp_unet", "tiny", "unet2", "unet3", "unet4", "unet5")
    assert found == [f"model={name}" for name in names]


@pytest.mark.parametrize(
    ("override", "cause"),
    [
        ("seed=range(0,1e9)", "seed=range(0,1e9) asks for more than 1,000 runs"),
        ("seed=shuffle(range(0,1e9))", "seed=shuffle(range(0,1e9)) asks for more than 1,000 runs"),
        ("seed=range(0,4,0)", "seed=range(0,4,0) asks for more than 1,000 runs"),
        ("seed=range(0,4,-1)", "seed=range(0,4,-1) asks for 0 runs"),
        ("seed=choice(1,2),3", "seed=choice(1,2),3 cannot be understood ("),
    ],
)
def test_a_sweep_that_nobody_can_mean_is_refused_at_once(override: str, cause: str) -> None:
    with pytest.raises(ConfigError) as error:
        jobs([override])
    assert str(error.value).startswith(cause)


def test_many_short_lists_are_many_runs() -> None:
    with pytest.raises(ConfigError, match="asks for 1,024 runs"):
        jobs([f"x{n}=1,2" for n in range(10)])


def test_what_cannot_be_read_is_named_and_not_the_sweep_before_it() -> None:
    with pytest.raises(ConfigError, match=r"^name=é cannot be read, because Hydra wants 'é' in"):
        jobs(["model.depth=2,3", "name=é"])


def test_an_option_is_written_out() -> None:
    with pytest.raises(ConfigError, match=r"^--config=x is not an option of covseg"):
        parse(["--config=x"])
