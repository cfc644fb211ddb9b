"""Arrays of which a process holds one copy, however many models have them."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakValueDictionary

import numpy as np

_known: WeakValueDictionary[tuple[str, str], np.ndarray] = WeakValueDictionary()


class SharedArrays(dict[str, np.ndarray]):
    """Pretrained weights that a training has not changed, by name.

    Models that are fitted or loaded in the same process share each array, so that an
    ensemble holds it once, in memory and in its pickle.

    Parameters
    ----------
    checksum : str
        Identifies the weights from which the arrays are taken.
    arrays : mapping of str to ndarray
        The arrays, which nobody may change.
    """

    def __init__(self, checksum: str, arrays: Mapping[str, np.ndarray]):
        super().__init__()
        self.checksum = checksum
        for name, array in arrays.items():
            self[name] = _known.setdefault((checksum, name), array)

    def __reduce__(self):
        return SharedArrays, (self.checksum, dict(self))
