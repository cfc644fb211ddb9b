"""What the leaves of a forest predict, in little memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

MOST_FILLED = 0.5  # share of values, up to which zeros are not pickled
SUMMED = 2**16  # values that are added up at a time


class LeafValues:
    """The values of the leaves of a forest in single precision.

    Many leaves are equal, those of classes above all. Their values are then stored
    once, with a small number for each leaf.

    Parameters
    ----------
    values : sequence of ndarray of shape (n_leaves, n_columns)
        The values of the leaves of each tree.
    center : ndarray of shape (n_columns,), default=0.0
        What is subtracted from the values.
    scale : ndarray of shape (n_columns,), default=1.0
        What the result is divided by. It should not be above 1 afterwards.
    """

    def __init__(
        self, values: Sequence[np.ndarray], center: Any = 0.0, scale: Any = 1.0
    ):
        self.center, self.scale = center, scale
        rows = [((own - center) / scale).astype(np.float32) for own in values]
        self.values, self.places = _distinct(rows)

    def __getstate__(self) -> dict[str, Any]:
        state, is_filled = dict(vars(self)), self.values != 0
        if is_filled.mean() < MOST_FILLED:  # probabilities of many classes
            filled = _distinct([self.values[is_filled][:, None]])
            state["values"] = self.values.shape, np.packbits(is_filled), filled
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if isinstance(self.values, tuple):
            shape, bits, (filled, places) = self.values
            is_filled = np.unpackbits(bits, count=np.prod(shape)).view(bool)
            self.values = np.zeros(shape, dtype=np.float32)
            self.values[is_filled.reshape(shape)] = (
                filled[:, 0] if places is None else filled[places, 0]
            )

    def __getitem__(self, leaves: Any) -> np.ndarray:
        """Return the values of some leaves."""
        found = self.values.take(self._places(leaves), axis=0)
        return found * self.scale + self.center

    def mean(self, leaves: np.ndarray) -> np.ndarray:
        """Return means over the trees, of shape (n_samples, n_columns).

        Parameters
        ----------
        leaves : ndarray of shape (n_trees, n_samples)
            Numbers of leaves.
        """
        n_trees, n_rows = leaves.shape
        places = self._places(leaves)
        total: Any = np.zeros((n_rows, self.values.shape[1]))
        step = SUMMED // max(1, total.size)
        if step < 2:
            for own in places:
                total += self.values.take(own, axis=0)
        else:
            for start in range(0, n_trees, step):
                part = self.values.take(places[start : start + step], axis=0)
                total += part.sum(axis=0, dtype=np.float64)
        return total / n_trees * self.scale + self.center

    def _places(self, leaves: np.ndarray) -> np.ndarray:
        return leaves if self.places is None else self.places[leaves]


def location_and_scale(values: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the center and the scale of values for `LeafValues`.

    The center is 0, or in the middle of values that are all far from 0. The scale is a
    power of 2, so that it changes no digits.
    """
    low = np.min([own.min(axis=0) for own in values], axis=0)
    high = np.max([own.max(axis=0) for own in values], axis=0)
    middle = low + (high - low) / 2
    center = np.where(high - low < np.abs(middle), middle, 0.0)
    largest = np.maximum(high - center, center - low)
    return center, np.ldexp(1.0, np.frexp(largest)[1])


def _distinct(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the distinct ones of some rows, and the place of each row among them.

    If that saves no memory, the result is all rows and None. Rows are compared by a
    random projection, which is faster than by their columns.
    """
    rows, n_columns = np.concatenate(parts), parts[0].shape[1]
    keys = rows[:, 0]
    if n_columns > 1:
        weights = np.random.default_rng(0).normal(size=n_columns)
        keys = np.concatenate([part @ weights for part in parts])
    _, first, places = np.unique(keys, return_index=True, return_inverse=True)
    found, places = rows[first], places.astype(np.min_scalar_type(len(first)))
    saves = found.nbytes + places.nbytes < rows.nbytes
    if saves and np.array_equal(found.take(places, axis=0), rows):
        return found, places
    return rows, None
