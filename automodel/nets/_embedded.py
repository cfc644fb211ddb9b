"""What nets share whose numbers may be embedded."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from automodel.nets._encoding import NetEncoder
from automodel.nets._estimator import TabularNet

D_EMBEDDING = {"periodic": 4, "piecewise": 8}

EMBEDDING_PARAMETERS = """\
embedding : {"none", "periodic", "piecewise"}
    How each number is embedded: not at all, by cosines of learned frequencies, or by
    its position in bins between quantiles (Gorishniy et al., 2022).
embedding_sigma : float
    Standard deviation of the frequencies at the start; larger for targets that
    jump.
n_frequencies : int
    Number of frequencies of each number.
n_bins : int
    Number of bins of each number.
d_embedding : int or "auto"
    Number of inputs that a number becomes; "auto" is 4 with frequencies and 8 with
    bins.
"""


@dataclass(kw_only=True, eq=False, repr=False)
class EmbeddedNet(TabularNet):
    """A net that starts from `TableInputs`."""

    embedding: str = "periodic"
    embedding_sigma: float = 0.1
    n_frequencies: int = 16
    n_bins: int = 16
    d_embedding: int | str = "auto"

    _parameter_constraints: ClassVar[dict] = {
        "embedding": [StrOptions({"none", "periodic", "piecewise"})],
        "embedding_sigma": [Interval(Real, 0, None, closed="neither")],
        "n_frequencies": [Interval(Integral, 1, None, closed="left")],
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "d_embedding": [
            StrOptions({"auto"}),
            Interval(Integral, 2, None, closed="left"),
        ],
    }

    def _inputs(self, encoder: NetEncoder) -> dict:
        """Return the parameters of `TableInputs`."""
        d_embedding = self.d_embedding
        if d_embedding == "auto":
            d_embedding = D_EMBEDDING.get(self.embedding, 2)
        return {
            "n_continuous": encoder.n_continuous_,
            "n_dense": encoder.n_dense_,
            "cardinalities": list(encoder.cardinalities_),
            "features": encoder.features_.tolist(),
            "embedding": self.embedding,
            "sigma": float(self.embedding_sigma),
            "n_frequencies": self.n_frequencies,
            "n_bins": self.n_bins,
            "d_embedding": d_embedding,
        }
