"""The table fits a terminal of 80 columns with every digit in it."""

import io

import pytest
from rich.console import Console

from covseg.measure.scores import SCORES
from covseg.report.table import print_summary, summary_tables

BASELINES = ("predict_nothing", "constant", "mean_mask", "lung_mask")
CLASSES = ("COVID-19", "Non-COVID", "Normal")
ENTRY = {"value": 0.6461, "low": 0.612, "high": 0.680}
UNDEFINED = {"value": None, "low": None, "high": None}


def part(undefined: tuple[str, ...] = (), of_negatives: tuple[str, ...] = ()) -> dict:
    """One target's scores, all different in ``value``; the named ones are null."""

    def entries(*null: str) -> dict:
        return {
            name: UNDEFINED if name in null else ENTRY | {"value": 0.6461 + n / 100}
            for n, name in enumerate(SCORES)
        }

    plain = {name: entry["value"] for name, entry in entries(*undefined).items()}
    return {
        "n_images": 1166,
        "n_positive": 583,
        "scores": entries(*undefined),
        "by_class": {
            name: entries(*undefined, *(of_negatives if name != "COVID-19" else ()))
            for name in CLASSES
        },
        "baselines": {name: {"scores": plain, "by_class": {}} for name in BASELINES},
    }


def summary(**more) -> dict:
    head = {"split": "Test", "threshold": 0.5, "detection_min_pixels": 1, "objective": None}
    return head | (more or part())


def lines(of: dict, width: int = 80) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(summary_tables(of))
    return console.file.getvalue().splitlines()


def rows(of: dict, score: str) -> list[list[str]]:
    """The cells of a score's rows, without its arrow: in the first table, then by class."""
    return [[c for c in line.split()[1:] if c not in "↑↓"] for line in lines(of) if score in line]


def test_a_full_summary_fits_80_columns_and_nothing_is_cut():
    printed = lines(summary())
    assert max(map(len, printed)) <= 80
    assert "…" not in "\n".join(printed)
    for score in SCORES:
        assert len(rows(summary(), score)) == 2, score


def test_a_summary_as_the_dataset_gives_it_fits_as_well():
    of_positives = ("dice_positive", "iou_positive", "miss_rate", "detection_sensitivity")
    printed = lines(summary(**part(of_negatives=of_positives)))
    assert max(map(len, printed)) <= 80
    assert "…" not in "\n".join(printed)


def test_a_score_stands_with_its_interval_beside_every_baseline():
    whole, by_class = rows(summary(), "rmse_pooled")  # the second score
    assert whole == ["0.6561", "0.612–0.680", *["0.6561"] * 4]
    assert by_class == ["0.6561", "0.612–0.680"] * 3


def test_every_baseline_and_class_has_a_column():
    text = "\n".join(lines(summary()))
    for header in ("nothing", "const.", "mean m.", "lung m.", *CLASSES):
        assert header in text


def test_an_undefined_score_is_a_dash_without_an_interval():
    of = summary(**part(undefined=("precision_pooled",), of_negatives=("dice_positive",)))
    assert rows(of, "precision_pooled") == [["–"] * 5]  # no class has it: no row there
    assert rows(of, "dice_positive")[1] == ["0.6761", "0.612–0.680", "–", "–"]
    assert not [word for line in lines(of) for word in line.split() if word in ("None", "nan")]


def test_an_arrow_says_which_way_is_better():
    text = [line for line in lines(summary()) if line.startswith(tuple(SCORES))][: len(SCORES)]
    for line in text:
        name, arrow = line.split()[:2]
        assert arrow == ("↓" if SCORES[name].low_is_good else "↑")


def test_the_title_says_what_was_scored():
    title = " ".join(lines(summary()))
    assert "Test: 1166 images, 583 positive; threshold 0.5; 95 % intervals" in title


def test_each_target_has_tables_of_its_own():
    infection, lung = part(), part(undefined=("dice_positive",))
    of = summary(targets={"infection": infection, "lung": lung})
    text = "\n".join(lines(of))
    assert text.index("Test, infection: 1166 images") < text.index("Test, lung: 1166 images")
    assert len(rows(of, "rmse_pooled")) == 4
    assert len(rows(of, "dice_positive")) == 3
    assert max(map(len, lines(of))) <= 80


def test_a_baseline_that_was_not_measured_has_no_column():
    of = part()
    del of["baselines"]["lung_mask"]
    assert "lung m." not in "\n".join(lines(summary(**of)))


@pytest.mark.parametrize("columns", ["80", "200"])
def test_printing_ends_with_the_run_folder_in_one_piece(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", columns)
    folder = "/some/where/" + "far/" * 40 + "outputs"
    print_summary(summary(), folder)
    *table, last = capsys.readouterr().out.splitlines()
    assert last == f"run folder: {folder}"
    assert max(map(len, table)) <= 80


@pytest.mark.parametrize(
    "names",
    [[f"class {n}" for n in range(7)], ["a", "Pleural effusion, left or right, " * 2], "abcd"],
)
def test_many_classes_or_long_names_have_a_line_each(names):
    """Protects: a number is never cut off."""
    of_part = part()
    of_class = of_part["by_class"]["Normal"]
    of_part["by_class"] = dict.fromkeys(names, of_class)
    printed = lines(summary(**of_part))
    assert max(map(len, printed)) <= 80
    start = next(n for n, line in enumerate(printed) if line.startswith("by class"))
    heading, _, *of_classes = printed[start:]
    assert "rmse_per_image" in heading.split()
    assert [line[:5].strip() for line in of_classes[: len(names)]] == [n[:5].strip() for n in names]
    assert all("0.6461" in line for line in of_classes[: len(names)])


def test_one_class_has_no_table_of_its_own():
    of_part = part()
    of_part["by_class"] = {"all": of_part["by_class"]["Normal"]}
    assert not any("by class" in line for line in lines(summary(**of_part)))
