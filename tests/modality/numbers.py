"""A kind of target that the package does not know: several numbers at once."""

import numpy as np
from sklearn.dummy import DummyRegressor

from automodel.targets.base import AveragedTarget
from automodel.targets.decoded import RegressorAnswers
from automodel.targets.link import Identity
from automodel.targets.losses import Squares


class NumbersTarget(AveragedTarget):
    """Each row has k numbers of one unit."""

    kind = "multioutput"
    default_scoring = "neg_root_mean_squared_error"
    link = Identity()

    def __init__(self, n_outputs):
        self.n_outputs = n_outputs

    def encode(self, y):
        return np.asarray(y, np.float64)

    def restore(self, y):
        return y

    def decode(self, prediction, decision=None):
        return prediction

    def answers(self, prediction):
        return RegressorAnswers(prediction)

    def truth(self, y):
        return y

    def decoded(self, estimator, columns):
        return estimator

    def predict(self, estimator, X, columns):
        return np.asarray(estimator.predict(X), np.float64)

    def for_encoders(self, y):
        return y.mean(axis=1)

    def baseline(self):
        return DummyRegressor()

    def losses(self, y, prediction):
        return np.square(y - prediction).mean(axis=1)

    def stacking_loss(self, y, base, weight):
        flat = np.repeat(weight, self.n_outputs)
        return Squares(y.ravel(), base.ravel(), flat, self.objective)
