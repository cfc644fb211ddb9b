"""Estimators of texts: an encoder of the BERT type with a head, fine-tuned."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from automodel.exceptions import MissingLibraryError, WeightsError
from automodel.nets._docs import documented
from automodel.nets._recipe import Hooks, Recipe, Trained
from automodel.nets._supervised import ClassifierTask, RegressorTask
from automodel.nets._unstructured import UnstructuredNet
from automodel.nets.bert._docs import ATTRIBUTES, PARAMETERS
from automodel.nets.bert._texts import check_texts
from automodel.nets.bert._tokens import tokens_of
from automodel.nets.weights import INSTALL, Weights, find_weights, located

if TYPE_CHECKING:
    from automodel.nets.bert._pretrained import Pretrained
    from automodel.nets.bert._training import TextRows

CLIP_NORM = 1.0  # of all gradients, as is usual for these encoders
OTHER_KINDS = ("universal-sentence-encoder",)  # of weights, that are not fine-tuned


@dataclass(kw_only=True, eq=False, repr=False)
class BertNet(UnstructuredNet):
    """Fit and predict of an encoder; subclasses bring the target."""

    weights: Any = "auto"
    layers: str | int = "all"
    max_length: int = 128
    learning_rate: float = 1e-4
    head_rate: float = 10.0
    layer_decay: float = 0.9
    schedule: str = "one-cycle"
    warm_up: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.1
    batch_size: int = 32
    max_epochs: int = 2
    probe: bool = True
    patience: int = 6

    _parameter_constraints: ClassVar[dict] = {
        **UnstructuredNet._parameter_constraints,
        "weights": [str, os.PathLike, Weights, None],
        "layers": [
            StrOptions({"all", "head"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "max_length": [Interval(Integral, 4, None, closed="left")],
        "head_rate": [Interval(Real, 0, None, closed="neither")],
        "layer_decay": [Interval(Real, 0, 1, closed="right")],
        "warm_up": [Interval(Real, 0, 1, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "probe": ["boolean"],
    }

    def fit(self, X, y, sample_weight=None):
        """Train the net.

        Parameters
        ----------
        X : list, array or Series of str of length n_samples
            The texts; missing ones count as empty.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target: classes or an indicator matrix of labels for classifiers, one
            or several numbers per text for regressors.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the texts; those of weight zero are left out.

        Returns
        -------
        self : object
            The fitted net.

        Raises
        ------
        WeightsError
            If the pretrained weights are not found or cannot be loaded.
        FloatingPointError
            If the loss is not finite any more.
        """
        return self._fit(X, y, sample_weight)

    def _check_input(self, X, *, reset: bool) -> np.ndarray:
        """Return texts as an array of str objects."""
        return check_texts(X, type(self).__name__)

    def _start_from(self, X, rows, seed: int) -> Pretrained:
        pretrained = self._pretrained(X[rows], seed)
        self._set_design(pretrained)
        return pretrained

    def _pretrained(self, texts, seed: int) -> Pretrained:
        """Return the encoder to start from."""
        for library in ("transformers", "tokenizers"):
            if importlib.util.find_spec(library) is None:
                raise MissingLibraryError(
                    f"{type(self).__name__} needs {library}, which is not installed. "
                    f"Run: {INSTALL}"
                )
        from automodel.nets.bert._pretrained import from_scratch, load_pretrained

        if self.weights is None:
            self.weights_ = None
            return from_scratch(texts, seed)
        usable = fine_tunable(find_weights(self.weights))
        if not usable:
            raise WeightsError(
                f"{type(self).__name__} found no weights of an encoder that can be "
                f"fine-tuned. Name a folder, or install some: {INSTALL}. With "
                "weights=None, a small encoder is trained from scratch."
            )
        self.weights_ = usable[0]
        folder = str(located(self.weights_))
        return load_pretrained(folder, self.weights_.checksum)

    def _set_design(self, pretrained: Pretrained) -> None:
        self.tokenizer_ = pretrained.tokenizer
        self._max_length = min(self.max_length, pretrained.max_length)
        self._design = {
            "config": pretrained.config,
            "n_outputs": self.target_.n_outputs,
            "layers": self.layers,
            "dropout": float(self.dropout),
            "head_rate": float(self.head_rate),
            "layer_decay": float(self.layer_decay),
        }

    def _recipe(self, seed: int) -> Recipe:
        from automodel.nets.bert._training import settled

        return settled(
            Recipe(
                learning_rate=self.learning_rate,
                weight_decay=self.weight_decay,
                schedule=self.schedule,
                batch_size=self.batch_size,
                max_epochs=self.max_epochs,
                patience=self.patience,
                device=self.device,
                seed=seed,
                verbose=int(self.verbose),
                precision=self.precision,
                width=self._width,
                clip_norm=CLIP_NORM,
                callbacks=self.callbacks or (),
                warm_up=self.warm_up,
            )
        )

    def _trained(self, start, rows, valid, seed: int, hooks: Hooks) -> Trained:
        from automodel.nets.bert._module import BertModule
        from automodel.nets.bert._training import finetune, load_encoder

        module = BertModule(**self._design)
        load_encoder(module, start.state)
        self.frozen_ = start.shared(module.frozen)
        recipe = self._recipe(seed)
        self.precision_ = recipe.precision
        return finetune(
            module,
            rows,
            valid,
            recipe,
            self._objective(),
            hooks,
            n_parts=self.validations_per_epoch,
            probes=self.probe,
        )

    def _rows(self, X, rows, target, weight, hooks: Hooks) -> TextRows:
        from automodel.nets.bert._training import TextRows

        limits = self._max_length, hooks.seconds_left
        tokens = tokens_of(X[rows], self.tokenizer_, *limits)
        return TextRows(tokens, target, weight)

    @property
    def _width(self) -> int:
        config = self._design["config"]
        return int(config.get("hidden_size") or config.get("dim") or 0)

    def _outputs(self, X) -> np.ndarray:
        """Return the outputs of the net for checked texts."""
        from automodel.nets.bert._prediction import TextPredictor

        if self._cache.get("device") != self.device:
            state = {**self.frozen_, **self.state_}
            predictor = TextPredictor(self._design, state, self.device, self.precision_)
            self._cache.update(predictor=predictor, device=self.device)
        tokens = tokens_of(X, self.tokenizer_, self._max_length)
        return self._cache["predictor"].outputs(tokens) * self.factor_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = False
        tags.input_tags.sparse = False
        return tags


def fine_tunable(found: Sequence[Weights]) -> tuple[Weights, ...]:
    """Return the weights of encoders that can be fine-tuned."""
    return tuple(weights for weights in found if weights.kind not in OTHER_KINDS)


@documented(PARAMETERS, ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class BertClassifier(ClassifierTask, BertNet):
    """Classify texts with a pretrained encoder that is fine-tuned.

    An encoder of the BERT type (Devlin et al., 2019), the mean over its tokens, and a
    linear head. The head starts as the linear model that suits the frozen encoder, and
    then both are trained. The target may be classes or an indicator matrix of several
    labels.

    The library transformers has to be installed. A fitted net holds the tokenizer and
    all weights as arrays, so that it predicts in any process without files or network.

    Parameters
    ----------
    (parameters)

    Attributes
    ----------
    (attributes)

    See Also
    --------
    BertRegressor : The same net for numbers.

    References
    ----------
    .. [10] Sun, Qiu, Xu, Huang (2019), How to Fine-Tune BERT for Text Classification?
    .. [11] Kumar et al. (2022), Fine-Tuning can Distort Pretrained Features and
       Underperform Out-of-Distribution.

    Examples
    --------
    >>> from automodel.nets import BertClassifier
    >>> texts = ["a good film", "good fun", "a bad film", "bad and dull"] * 10
    >>> y = ["yes", "yes", "no", "no"] * 10
    >>> net = BertClassifier(weights=None, learning_rate=1e-3, random_state=0)
    >>> net.fit(texts, y).predict(["good", "bad"])
    array(['yes', 'no'], dtype='<U3')
    """

    _parameter_constraints: ClassVar[dict] = {
        **BertNet._parameter_constraints,
        **ClassifierTask._parameter_constraints,
    }


@documented(PARAMETERS, ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class BertRegressor(RegressorTask, BertNet):
    """Predict numbers from texts with a pretrained encoder that is fine-tuned.

    The net of `BertClassifier`, trained by squared error on the standardised target, of
    which there may be several columns.

    Parameters
    ----------
    (parameters)

    Attributes
    ----------
    (attributes)

    See Also
    --------
    BertClassifier : The same net for classes.

    References
    ----------
    .. [10] Sun, Qiu, Xu, Huang (2019), How to Fine-Tune BERT for Text Classification?
    .. [11] Kumar et al. (2022), Fine-Tuning can Distort Pretrained Features and
       Underperform Out-of-Distribution.

    Examples
    --------
    >>> from automodel.nets import BertRegressor
    >>> texts = ["a good film", "good fun", "a bad film", "bad and dull"] * 10
    >>> y = [4.0, 5.0, 2.0, 1.0] * 10
    >>> params = {"learning_rate": 1e-3, "max_epochs": 4, "random_state": 0}
    >>> net = BertRegressor(weights=None, **params)
    >>> net.fit(texts, y).score(texts, y) > 0.8
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **BertNet._parameter_constraints,
        **RegressorTask._parameter_constraints,
    }
