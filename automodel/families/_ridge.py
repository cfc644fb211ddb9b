"""Settings of ridge regression that suit the rows."""

from __future__ import annotations

from typing import Any

from scipy.sparse import issparse

EXACT_CELLS = 1_000_000  # of a sparse matrix, that conjugate gradients solve exactly
MOST_CG_STEPS = 200  # beyond: seconds without an end, and no better predictions


def ridge_params(X) -> dict[str, Any]:
    """Return the solver, its tolerance and its steps where the rows are sparse."""
    if not issparse(X):
        return {}
    is_small = X.shape[0] * X.shape[1] <= EXACT_CELLS
    return {
        "solver": "sparse_cg",
        "tol": 1e-9 if is_small else 1e-4,
        "max_iter": None if is_small else MOST_CG_STEPS,
    }
