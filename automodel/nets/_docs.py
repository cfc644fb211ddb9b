"""The parts of docstrings that all nets share, written once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

PARAMETERS = """\
learning_rate : float
    Learning rate of the optimizer at the peak of the schedule. Parts of the net learn
    at a multiple of it; a layer of n inputs at `learning_rate / sqrt(n)`.
module : callable or None
    A class of torch modules to train in place of the net's own, called with
    `n_dense`, `cardinalities` and `n_outputs`. Its `forward(dense, codes)` takes the
    numbers and one-hot columns, and the codes of categories with an embedding. The
    parameters of the architecture have no effect then.
criterion : callable or None
    A loss to train by in place of `loss`, as in skorch: a class or an instance, such
    as of `torch.nn`. Sample weights need one loss per row (`reduction="none"`). Epochs
    are still judged by `loss`.
optimizer : {"adamw", "sgd", "schedule_free"} or callable
    AdamW [1]_; stochastic gradient descent with Nesterov momentum 0.9 and gradients
    of length one at most; Schedule-Free AdamW [2]_, whose learning rate is constant
    after a short warm-up, whatever `schedule` says; or a class of `torch.optim`.
    `functools.partial` binds its options, in place of the parameters `optimizer__...`
    of skorch, which do not exist here. The class is called with `learning_rate` as
    `lr` and with `weight_decay`, and `step()` without a closure.
callbacks : list or None
    Callbacks of skorch, such as `skorch.callbacks.EpochScoring`; each is an instance,
    a class or a pair of name and instance. One that changes the learning rate needs
    `schedule="constant"`. Numbers that they record for each epoch are in `history_`.
    With callbacks, `KeyboardInterrupt` ends `fit` and `partial_fit` and keeps what is
    learned. A pickled net keeps its callbacks, but not what they have learned.
averaging : float
    Memory of the exponential moving average of the weights [3]_, from 0 (off) to
    below 1. The average is validated and kept. The first steps have a shorter memory.
    It has no effect on Schedule-Free AdamW, which averages by itself, nor on an
    optimizer of torch.
schedule : {"coslog", "one-cycle", "cosine", "constant"}
    Course of the learning rate over all `max_epochs`. All but "constant" end at zero.
    "coslog" goes through four cycles of growing length.
regularization_schedule : {"flat_cos", "constant"}
    Course of dropout and weight decay. "flat_cos" is constant for the first half of
    the training and falls to zero in the second.
weight_decay : float
    Decoupled decay of the weights, in units of the learning rate.
batch_size : int or "auto"
    Number of rows of a training step. "auto" is 64 up to 1,024 rows, and grows to
    1,024 with the rows.
max_epochs : int
    Number of epochs of the schedule.
early_stopping : bool
    Whether to hold out rows, keep the weights of the epoch that predicts them best,
    and stop when no epoch has been better for long. Data of fewer than 50 rows are not
    split.
validation_fraction : float
    Share of the rows held out for early stopping.
patience : int
    Number of epochs without improvement after which training stops. With "coslog",
    whose cycles double, it waits n more epochs if epoch n is the best.
feature_noise : float
    Standard deviation of the noise that a training step adds to numbers, in
    interquartile ranges.
mixup : float
    Parameter alpha of mixup [4]_, which trains on mixtures of two rows in shares drawn
    from Beta(alpha, alpha); 0 turns it off.
feature_swap : float
    Probability that a training step replaces a row's value of a column by that of
    another row, as SCARF [5]_ corrupts its views.
precision : {"auto", "float32", "bfloat16"}
    Precision of the products of matrices in training. Weights, losses and predictions
    are more precise in any case. "auto" is "bfloat16" on processors that have it
    (AVX512_BF16 or AMX), for nets of width 256 or more and batches large enough to
    gain from it.
device : str
    Device to train on. "auto" takes CUDA or else MPS if there is one, and the
    processor otherwise. Nets for tables predict in NumPy; single ones predict on CUDA
    if `device` names it, or is "auto" and torch has been imported.
warm_start : bool
    Whether `fit` goes on from the weights of the last fit, which requires the same
    columns, classes and architecture.
random_state : int, RandomState instance or None
    Seed of the training. No global generator is used or changed.
verbose : int
    Above 0, the losses of each epoch are logged at level INFO to "automodel".
"""

CLASSIFIER_PARAMETERS = """\
loss : {"cross_entropy", "focal"}
    The loss that training minimizes. The focal loss [6]_, with exponent 2, gives less
    weight to rows that are predicted well already.
label_smoothing : float
    Share of the target that is spread over all classes.
class_weight : "balanced", dict, list of dict or None
    Weights of the classes, which multiply `sample_weight`. "balanced" makes up for
    their frequencies. See `sklearn.utils.compute_sample_weight`.
"""

REGRESSOR_PARAMETERS = """\
loss : {"squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma", \
"tweedie"}
    The loss that training minimizes on the standardised target. The Huber loss is
    squared up to one standard deviation and absolute beyond. The last three are
    deviances [7]_ of a positive mean, whose logarithm is learned: "poisson" and
    "tweedie" take values from zero on, "gamma" positive ones. They punish overfitting
    far more than squared errors do, so a single net needs `early_stopping`.
quantile : float
    The quantile that the loss "quantile" predicts.
power : float
    The power of the mean with which the variance grows in the loss "tweedie", between
    1, where the loss is that of "poisson", and 2, where it is that of "gamma".
"""

ATTRIBUTES = """\
n_features_in_ : int
    Number of columns of X.
feature_names_in_ : ndarray of shape (n_features,)
    Names of the columns, if all are strings.
n_iter_ : int
    Number of epochs that the weights have been trained for.
n_steps_ : int
    Number of training steps taken.
history_ : dict of lists
    The losses of each complete epoch: "train_loss", and "valid_loss" with early
    stopping. `pandas.DataFrame(net.history_).plot()` shows them.
state_ : dict of ndarray
    The weights.
"""

CLASSIFIER_ATTRIBUTES = """\
classes_ : ndarray of shape (n_classes,)
    The classes; for a target of several labels, their numbers.
"""

REFERENCES = {
    1: "Loshchilov, Hutter (2019), Decoupled Weight Decay Regularization.",
    2: "Defazio et al. (2024), The Road Less Scheduled.",
    3: "Morales-Brotons et al. (2024), Exponential Moving Average of Weights in Deep\n"
    "   Learning.",
    4: "Zhang et al. (2018), mixup: Beyond Empirical Risk Minimization.",
    5: "Bahri et al. (2022), SCARF: Self-Supervised Contrastive Learning using Random\n"
    "   Feature Corruption.",
    6: "Lin et al. (2017), Focal Loss for Dense Object Detection.",
    7: "Jørgensen (1987), Exponential Dispersion Models.",
}

_ENTRY = re.compile(r"^(\w+) : (.*)\n((?:    .*\n)+)", re.MULTILINE)


def documented(own: str, attributes: str = ATTRIBUTES) -> Callable[[type], type]:
    """Return a class decorator that completes the docstring of a net.

    The line "(parameters)" is replaced by the entries of all parameters, in the order
    of the signature and with their defaults, and "(attributes)" by those of the fitted
    attributes. The references that these cite are added to the section "References",
    or to a new one before the examples. The docstring numbers its own references from
    10 on.

    Parameters
    ----------
    own : str
        Entries, in the form of `PARAMETERS`, of the parameters that only this kind of
        net has or that mean something else in it.
    attributes : str
        Entries of the fitted attributes, but those of all classifiers.
    """

    def fill(cls: type) -> type:
        if cls.__doc__ is None:  # python -OO
            return cls
        is_classifier = hasattr(cls, "predict_proba")
        of_task = CLASSIFIER_PARAMETERS if is_classifier else REGRESSOR_PARAMETERS
        entries = {
            name: (kind, text)
            for name, kind, text in _ENTRY.findall(PARAMETERS + of_task + own)
        }
        parameters = ""
        for name, parameter in inspect.signature(cls).parameters.items():
            kind, text = entries[name]
            parameters += (
                f"{name} : {kind}, default={_shown(parameter.default)}\n{text}"
            )
        own_attributes = (CLASSIFIER_ATTRIBUTES if is_classifier else "") + attributes
        doc = inspect.cleandoc(cls.__doc__)  # as Python 3.13 does by itself
        doc = doc.replace("(parameters)\n", parameters)
        doc = doc.replace("(attributes)\n", own_attributes)
        cls.__doc__ = _with_references(doc) + "\n"
        return cls

    return fill


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _with_references(doc: str) -> str:
    cited = sorted({int(n) for n in re.findall(r"\[(\d)\]_", doc)})
    lines = "".join(f".. [{n}] {REFERENCES[n]}\n" for n in cited)
    title, examples = "References\n----------\n", "Examples\n---"
    if title in doc:
        return doc.replace(title, title + lines)
    return doc.replace(examples, f"{title}{lines}\n{examples}")
