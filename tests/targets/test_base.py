"""What a target leaves to its subclasses, and what it does for them."""

import numpy as np
import pytest

from automodel.targets.base import AveragedTarget, Target
from automodel.targets.values import ValueTarget
from tests.modality.signals import AngleTarget


def test_an_incomplete_target_says_what_is_missing():
    class Half(Target):
        kind, n_outputs = "half", 1

    with pytest.raises(TypeError, match="baseline"):
        Half()

    class Averaged(AveragedTarget):
        kind, n_outputs = "averaged", 1

    with pytest.raises(TypeError, match="stacking_loss"):
        Averaged()


def test_models_of_a_candidate_are_averaged_or_combined():
    one, other = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    averaged = ValueTarget().average([one, other], [0.5, 0.5])
    np.testing.assert_array_equal(averaged, [[0.5, 0.5]])
    combined = AngleTarget().average([one, other], [0.5, 0.5])
    np.testing.assert_allclose(combined, [[np.sqrt(0.5), np.sqrt(0.5)]])
