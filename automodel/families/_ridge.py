"""Parameters of ridge regression for dense and sparse matrices."""

from __future__ import annotations

from typing import Any

from scipy.sparse import issparse

EXACT_CELLS = 1_000_000  # of a sparse matrix that is solved to full precision
MOST_CG_STEPS = 200  # more take long and do not improve predictions


def ridge_params(X) -> dict[str, Any]:
    """Return the solver, its tolerance and its iterations for a sparse matrix."""
    if not issparse(X):
        return {}
    is_small = X.shape[0] * X.shape[1] <= EXACT_CELLS
    return {
        "solver": "sparse_cg",
        "tol": 1e-9 if is_small else 1e-4,
        "max_iter": None if is_small else MOST_CG_STEPS,
    }
