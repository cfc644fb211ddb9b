"""Packed perceptrons: architecture search and ensemble in one training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from automodel.nets._docs import documented
from automodel.nets._recipe import FoldPart
from automodel.nets._supervised import ClassifierTask, RegressorTask
from automodel.nets._targets import LabelTarget
from automodel.nets.packed._estimator import PackedNet

PARAMETERS = """\
n_members : int
    Number of nets that start in each fold. Each has an architecture and
    hyperparameters that are drawn from the choices below.
n_finalists : int
    Number of members that may train for the whole schedule. The others leave at the
    ends of the first three cycles of the schedule, those without a share in the
    ensemble first.
cv : int
    Number of folds. Each member is one net per fold, and the validation part of a fold
    tells when the nets of the other folds are at their best.
n_layers : int or list of int
    Number of hidden layers of a member.
width : int or list of int
    Number of units in each hidden layer.
activation : str or list of str
    Non-linearities: "relu", "selu", "silu", "gelu" or "mish".
embedding_sigma : float or list of float
    Standard deviation, at the start, of the frequencies in the periodic embedding of
    numbers; 0 means no embedding.
dropout : float or list of float
    Share of units that a training step leaves out, in steps of 1/256.
"""


@documented(PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class PackedMLPClassifier(ClassifierTask, PackedNet):
    """Classify with an ensemble of perceptrons that are searched while they train.

    Many members, of different architectures and hyperparameters, times all folds are
    trained as one batched module, after TabPack [10]_. On small data that costs little
    more than a single net, since a step of a small net is mostly overhead.

    The best epoch, the temperature and the ensemble weights of a fold's nets come from
    the validation parts of the other folds, which train in step, and never from its
    own. So no rows are held out, and the validation loss is honest. Members are
    compared, on all validation parts, where the cycles of the learning rate end, at
    zero, and the worse ones leave; those that left can still be in the ensemble.
    Predictions are the mean over the folds of their ensembles.

    Each net follows the recipe of RealMLP [11]_, with embeddings of numbers and learned
    scales of inputs that similar members of a fold share.

    Parameters
    ----------
    (parameters)

    Attributes
    ----------
    (attributes)

    See Also
    --------
    PackedMLPRegressor : The same for numbers.

    References
    ----------
    .. [10] TabPack (2026), packing random multilayer perceptrons, arXiv:2607.05380.
    .. [11] Holzmüller et al. (2024), Better by Default.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from automodel.nets import PackedMLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = PackedMLPClassifier(n_members=4, max_epochs=20, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.9
    True
    """

    _bears_low_precision: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict] = {
        **PackedNet._parameter_constraints,
        **ClassifierTask._parameter_constraints,
    }
    _answers = PackedNet._answers  # instead of those of a single net

    def _target_of(self, part: FoldPart):
        if self.target_.is_multilabel:
            return LabelTarget.learn(part.y, part.sample_weight)
        return self.target_

    def _mixed(self, outputs):
        proba = np.empty_like(outputs)
        for fold, target in enumerate(self._targets):
            rows = outputs[:, fold].reshape(-1, outputs.shape[-1])
            proba[:, fold] = target.probabilities(rows).reshape(proba[:, fold].shape)
        weights = self.member_weights_ / self.member_weights_.sum()
        return np.einsum("mf,mfrc->rc", weights, proba)


@documented(PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class PackedMLPRegressor(RegressorTask, PackedNet):
    """Predict numbers with an ensemble of perceptrons searched while they train.

    The method is that of `PackedMLPClassifier`, for one or several numbers per row.

    Parameters
    ----------
    (parameters)

    Attributes
    ----------
    (attributes)

    See Also
    --------
    PackedMLPClassifier : The same for classes, with a description.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from automodel.nets import PackedMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = PackedMLPRegressor(n_members=4, max_epochs=20, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.4
    True
    """

    learning_rate: float = 0.1

    _bears_low_precision: ClassVar[bool] = False
    _parameter_constraints: ClassVar[dict] = {
        **PackedNet._parameter_constraints,
        **RegressorTask._parameter_constraints,
    }
    _answers = PackedNet._answers  # instead of those of a single net

    def _target_of(self, part: FoldPart):
        # A training part of one value has no scale, and in raw units its validation
        # loss could drown those of the other folds.
        learn = self._target_kind.learn
        both = learn(np.concatenate([part.y, part.y_valid]), None)
        return learn(part.y, part.sample_weight, both.scale)

    def _mixed(self, outputs):
        folds = []
        for fold, target in enumerate(self._targets):
            mean = np.tensordot(self.member_weights_[:, fold], outputs[:, fold], 1)
            folds.append(target.decode(mean))
        return np.mean(folds, axis=0)
