"""A multiple of all weights of rows gives the same model, whatever the family."""

import numpy as np
import pytest
from sklearn.base import clone

from automodel import AutoClassifier, AutoRegressor
from automodel.families import all_families
from automodel.families._net import NetFamily
from tests.conftest import make_frame, make_signal, make_task

FRAME = make_frame(80)
SIGNAL = make_signal(FRAME)
WEIGHT = np.random.default_rng(0).uniform(0.5, 2.0, size=80)
WEIGHTED = make_task("binary", 80, 4, 2, n_categorical=1, is_weighted=True)
OTHER_NETS = "resnet", "ft_transformer", "tabm"  # which weigh rows as "mlp" does
FAMILIES = [
    pytest.param(
        family, marks=pytest.mark.slow if isinstance(family, NetFamily) else ()
    )
    for family in all_families().values()
    if family.supports(WEIGHTED) and family.name not in OTHER_NETS
]


@pytest.mark.parametrize("kind", [AutoClassifier, AutoRegressor])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_unit_of_the_weights_does_not_matter(family, kind):
    is_classifier = kind is AutoClassifier
    y = np.where(SIGNAL > 0.3, "yes", "no") if is_classifier else SIGNAL
    search = kind(families=[family], n_trials=1, time_budget=None, cv=2, random_state=0)
    predict = "predict_proba" if is_classifier else "predict"
    one, small, large = (
        getattr(clone(search).fit(FRAME, y, sample_weight=w), predict)(FRAME)
        for w in (WEIGHT, 1e-4 * WEIGHT, 300 * WEIGHT)
    )
    np.testing.assert_allclose(small, one, rtol=1e-6)
    np.testing.assert_allclose(large, one, rtol=1e-6)
