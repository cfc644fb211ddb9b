"""Rows: what a search holds of X, whatever its modality."""

from __future__ import annotations

from typing import Any, Protocol, Self


class Rows(Protocol):
    """The rows that models learn from, as a reader has made them of X.

    A search takes some of them, counts their bytes and tells them from others. What is
    in them is the matter of the encoders alone.
    """

    def __len__(self) -> int:
        """Return the number of rows."""

    def take(self, rows: Any) -> Self:
        """Return some of the rows.

        Parameters
        ----------
        rows : ndarray of int, or slice
            Their numbers.
        """

    @property
    def nbytes(self) -> int:
        """Bytes that the rows hold in memory."""

    def fingerprint(self) -> str:
        """Return a text that other rows do not have, the same in all processes."""
