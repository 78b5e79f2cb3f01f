"""How well a trivial classifier tells the classes apart: what a network could learn without lungs.

A multinomial logistic regression on standardised numbers, cross-validated in the folds that
``protocol=kfold`` has: copies of one radiograph stay in one of them, else the classifier would
recognise the image and not the class.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from covseg.data.division import N_FOLDS
from covseg.measure.intervals import N_RESAMPLES, wilson

_SEED = 0

Numbers = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Shortcut:
    """What the classifier said of images that it was not fitted on.

    Attributes:
        classes: the k classes that it was to tell apart.
        confusion: images of a class (row) that it took for a class (column), int64 [k, k].
    """

    classes: tuple[str, ...]
    confusion: npt.NDArray[np.int64]

    @property
    def n_images(self) -> int:
        """Images that were classified."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of images whose class it found."""
        return float(np.trace(self.confusion) / self.n_images)

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval; it covers the choice of images, not of folds."""
        return wilson(float(np.trace(self.confusion)), self.n_images)

    @property
    def majority_share(self) -> float:
        """What always naming the most frequent class would get right."""
        return float(self.confusion.sum(axis=1).max() / self.n_images)

    @property
    def recall(self) -> npt.NDArray[np.float64]:
        """Share of the images of each class whose class it found, [k]."""
        return np.asarray(np.diag(self.confusion) / self.confusion.sum(axis=1), np.float64)

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the classes of their recall; 1 / k is chance."""
        return float(self.recall.mean())

    @property
    def balanced_interval(self) -> tuple[float, float]:
        """95 % percentile bootstrap, stratified by class, seeded."""
        n_of_class = self.confusion.sum(axis=1)
        # to draw n images anew and count the right ones is to draw from a binomial distribution
        right = np.random.default_rng(_SEED).binomial(
            n_of_class, self.recall, (N_RESAMPLES, len(self.classes))
        )
        low, high = np.percentile((right / n_of_class).mean(axis=1), [2.5, 97.5])
        return float(low), float(high)


def shortcut(numbers: Numbers, classes: Sequence[str], folds: Sequence[int]) -> Shortcut | None:
    """Cross-validate the classifier.

    Args:
        numbers: finite, [n_images, n_numbers].
        classes: of each image.
        folds: of each image, as ``division.folds`` makes them.

    Returns:
        None where fewer than two classes have an image in every fold; a class that has not is left
        out beside two that have.
    """
    names, fold = np.asarray(classes), np.asarray(folds)
    enough = [c for c in np.unique(names) if len(np.unique(fold[names == c])) == N_FOLDS]
    if len(enough) < 2:
        return None
    chosen = np.isin(names, enough)
    said = _out_of_fold(numbers[chosen], names[chosen], fold[chosen])
    confusion = [[np.sum(said[names[chosen] == a] == b) for b in enough] for a in enough]
    return Shortcut(tuple(map(str, enough)), np.array(confusion, np.int64))


def _out_of_fold(
    numbers: Numbers, names: npt.NDArray[np.str_], folds: npt.NDArray[np.int64]
) -> npt.NDArray[np.str_]:
    # it takes a second: nothing else of this room needs it
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import PredefinedSplit, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    # Newton's steps, because neighbours in a border are so alike that lbfgs needs thousands
    classifier = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky"))
    with threadpool_limits(1):  # on a busy machine threads wait for each other: 30 s in place of 1
        said = cross_val_predict(
            classifier, numbers.astype(np.float64), names, cv=PredefinedSplit(folds)
        )
    return np.asarray(said, np.str_)
