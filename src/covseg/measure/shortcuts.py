"""How well a trivial classifier predicts the classes: what a network could learn without lungs.

A multinomial logistic regression on standardised features, cross-validated in the folds of
``protocol=kfold``. Copies of one radiograph are in one fold; otherwise the classifier could
recognise the image instead of the class.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from covseg.data.division import N_FOLDS
from covseg.measure.intervals import N_RESAMPLES, wilson

_SEED = 0

Features = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Shortcut:
    """The cross-validated predictions of the classifier for k classes."""

    classes: tuple[str, ...]
    confusion: npt.NDArray[np.int64]  # images by class and predicted class, [k, k]

    @property
    def n_images(self) -> int:
        """Number of classified images."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of correctly classified images."""
        return float(np.trace(self.confusion) / self.n_images)

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval, over the choice of images, not of folds."""
        return wilson(float(np.trace(self.confusion)), self.n_images)

    @property
    def majority_share(self) -> float:
        """Accuracy of always predicting the most frequent class."""
        return float(self.confusion.sum(axis=1).max() / self.n_images)

    @property
    def recall(self) -> npt.NDArray[np.float64]:
        """Share of correctly classified images of each class, [k]."""
        return np.asarray(np.diag(self.confusion) / self.confusion.sum(axis=1), np.float64)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall over the classes; 1 / k is chance."""
        return float(self.recall.mean())

    @property
    def balanced_interval(self) -> tuple[float, float]:
        """95 % percentile bootstrap, stratified by class, with a fixed seed."""
        n_of_class = self.confusion.sum(axis=1)
        # the number of correct images in a resample has a binomial distribution
        correct = np.random.default_rng(_SEED).binomial(
            n_of_class, self.recall, (N_RESAMPLES, len(self.classes))
        )
        low, high = np.percentile((correct / n_of_class).mean(axis=1), [2.5, 97.5])
        return float(low), float(high)


def shortcut(features: Features, classes: Sequence[str], folds: Sequence[int]) -> Shortcut | None:
    """Cross-validate the classifier.

    Args:
        features: finite, [n_images, n_features].
        classes: class of each image.
        folds: fold of each image, from ``division.folds``.

    Returns:
        The predictions for the classes that have images in every fold; None if there are fewer
        than two.
    """
    names, fold = np.asarray(classes), np.asarray(folds)
    enough = [c for c in np.unique(names) if len(np.unique(fold[names == c])) == N_FOLDS]
    if len(enough) < 2:
        return None
    chosen = np.isin(names, enough)
    predicted = _cross_validated(features[chosen], names[chosen], fold[chosen])
    confusion = [[np.sum(predicted[names[chosen] == a] == b) for b in enough] for a in enough]
    return Shortcut(tuple(map(str, enough)), np.array(confusion, np.int64))


def _cross_validated(
    features: Features, names: npt.NDArray[np.str_], folds: npt.NDArray[np.int64]
) -> npt.NDArray[np.str_]:
    # importing scikit-learn takes a second, and only this function needs it
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import PredefinedSplit, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    # Newton's method: a border's features are so correlated that lbfgs needs thousands of steps
    classifier = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky"))
    with threadpool_limits(1):  # several threads on a busy machine take 30 s instead of 1 s
        predicted = cross_val_predict(
            classifier, features.astype(np.float64), names, cv=PredefinedSplit(folds)
        )
    return np.asarray(predicted, np.str_)
