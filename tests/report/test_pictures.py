"""A picture shows at every pixel what happened there."""

import cv2
import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger

from covseg.errors import RunError
from covseg.report.pictures import log_picture, panels, save, stack

SIDE, GAP, CAPTION = 256, 4, 22
WIDTH = 4 * SIDE + 3 * GAP


def panel(picture: np.ndarray, number: int) -> np.ndarray:
    left = number * (SIDE + GAP)
    return picture[CAPTION:, left : left + SIDE]


def quarters() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grey 0.5; truth is the left half, the prediction is the upper half."""
    image, truth = np.full((256, 256), 0.5, np.float32), np.zeros((256, 256), np.float32)
    probability = np.full((256, 256), 0.1, np.float32)
    truth[:, :128], probability[:128] = 1, 0.9
    return image, truth, probability


@pytest.mark.parametrize("side", [32, 256, 300])
def test_four_panels_stand_in_a_row_under_a_line_of_text(side):
    plane = np.zeros((side, side), np.float32)
    picture = panels(plane, np.zeros((256, 256), np.float32), plane, 0.5)
    assert picture.shape == (CAPTION + SIDE, WIDTH, 3)
    assert picture.dtype == np.uint8
    for number in range(3):
        right = (number + 1) * (SIDE + GAP)
        assert (picture[CAPTION:, right - GAP : right] == 255).all()


def test_hit_false_alarm_and_missed_have_their_colours_and_the_rest_stays_grey():
    error = panel(panels(*quarters(), 0.5), 3).astype(int)
    grey = 127
    for (y, x), colour in (
        ((64, 64), (0, 158, 115)),  # hit: bluish green
        ((64, 192), (230, 159, 0)),  # false alarm: orange
        ((192, 64), (204, 121, 167)),  # missed: pink
    ):
        by_hand = [int(0.45 * grey + 0.55 * part) for part in colour]
        assert error[y, x].tolist() == by_hand
    assert error[192, 192].tolist() == [grey] * 3


def test_the_image_keeps_its_shades_and_the_outlines_stay_at_the_borders():
    image, truth, probability = quarters()
    image[:] = np.linspace(0, 1, 256, dtype=np.float32)
    picture = panels(image, truth, probability, 0.5)
    expected = (image * 255).astype(np.uint8)
    for channel in range(3):
        np.testing.assert_array_equal(panel(picture, 0)[..., channel], expected)
    shown = panel(picture, 1)
    assert len(set(shown[100, 127].tolist())) > 1  # coloured
    assert shown[200, 200].tolist() == [expected[200, 200]] * 3


def test_the_third_panel_shows_the_probability_and_the_outline_of_the_prediction():
    image, truth, _ = quarters()
    probability = np.repeat(np.linspace(0, 1, 256, dtype=np.float32)[:, None], 256, axis=1)
    shown = panel(panels(image, truth, probability, 0.75), 2).astype(int)
    assert shown[0, 100].tolist() == [127] * 3  # a probability of 0 leaves the image
    below = shown[1:188, 100]  # a decision would leave all of them grey
    assert len({tuple(colour) for colour in below.tolist()}) > 100
    assert (shown[191:193, 100] > 230).all(axis=1).any()  # white, where it exceeds 0.75


def test_a_pixel_is_predicted_above_the_threshold_and_not_at_it():
    image, truth, _ = quarters()
    half = np.full((256, 256), 0.5, np.float32)
    at, below = (panel(panels(image, truth, half, threshold), 3) for threshold in (0.5, 0.49))
    assert at[64, 192].tolist() == [127] * 3
    assert below[64, 192].tolist() != [127] * 3


def test_a_small_probability_is_drawn_over_the_same_place_as_a_large_truth():
    image, truth, probability = quarters()
    small = cv2.resize(probability, (32, 32), interpolation=cv2.INTER_AREA)
    large, other = (
        panel(panels(image, truth, p, 0.5), 3).astype(int) for p in (probability, small)
    )
    assert (large != other).any(-1).mean() < 0.02


def test_a_caption_replaces_the_title_of_the_first_panel():
    plain, named = panels(*quarters(), 0.5), panels(*quarters(), 0.5, "covid_1.png: Dice 0.731")
    assert (plain[:CAPTION, :SIDE] != named[:CAPTION, :SIDE]).any()
    np.testing.assert_array_equal(plain[CAPTION:], named[CAPTION:])


def test_rows_are_stacked_in_their_order():
    image, truth, probability = quarters()
    one, two = panels(image, truth, probability, 0.5), panels(1 - image, truth, truth, 0.5)
    both = stack([one, two])
    np.testing.assert_array_equal(both[: len(one)], one)
    np.testing.assert_array_equal(both[len(one) :], two)


def test_a_saved_png_decodes_to_the_same_colours(tmp_path):
    picture, path = panels(*quarters(), 0.5), tmp_path / "new" / "folder" / "a.png"
    save(picture, path)
    decoded = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(decoded, picture)


class TakesImages(CSVLogger):
    """A user's own logger."""

    def log_image(self, key, images, step) -> None:
        self.logged = key, images, step


def test_any_logger_with_log_image_gets_the_picture_and_others_are_skipped(tmp_path):
    picture = panels(*quarters(), 0.5)
    own, csv = TakesImages(tmp_path), CSVLogger(tmp_path)
    for logger in (own, csv):
        log_picture(logger, picture, 3)
    assert own.logged == ("pictures", [picture], 3)


@pytest.mark.parametrize("kind", ["the file is a folder", "its folder is a file"])
def test_a_path_that_cannot_be_written_is_refused_with_a_sentence(tmp_path, kind):
    if kind == "the file is a folder":
        path = tmp_path / "a.png"
        path.mkdir()
    else:
        (tmp_path / "pictures").write_text("no folder")
        path = tmp_path / "pictures" / "a.png"
    with pytest.raises(RunError, match="cannot be written"):
        save(panels(*quarters(), 0.5), path)
