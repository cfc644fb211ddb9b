"""Changes of the rows of a batch."""

import numpy as np
import pandas as pd
import pytest
import torch

from automodel.nets import RealMLPClassifier
from automodel.nets._augmentation import row_changer
from automodel.nets._encoding import NetEncoder
from automodel.nets._recipe import Augmentation

FEATURES = np.array([0, 1, 1, 2, 2, 2])  # the last three are of one category
N_NUMBERS = 2


def changer(noise=0.0, mixup=0.0, swap=0.0, seed=0):
    augmentation = Augmentation(noise, mixup, swap, N_NUMBERS, FEATURES)
    return row_changer(augmentation, torch.Generator().manual_seed(seed))


def batch(n_rows=2000):
    numbers = torch.arange(n_rows).float()
    dense = numbers[:, None] + torch.arange(6) / 10
    return dense, torch.arange(n_rows)[:, None] % 50


def test_nothing_to_change_costs_nothing():
    assert changer() is None


def test_noise_goes_to_numbers_only():
    dense, codes = batch()
    noisy, same, mixture = changer(noise=0.3)(dense, codes)
    difference = noisy - dense
    assert difference[:, :N_NUMBERS].std().item() == pytest.approx(0.3, rel=0.05)
    assert (difference[:, N_NUMBERS:] == 0).all()
    assert same is codes
    assert mixture is None


def test_swapped_values_come_from_the_same_column_of_another_row():
    dense, codes = batch()
    swapped, other, _ = changer(swap=0.2)(dense, codes)
    fraction = (swapped * 10).round() % 10
    torch.testing.assert_close(fraction, torch.arange(6.0).expand_as(fraction))
    for changed in (swapped[:, 0] != dense[:, 0], other[:, 0] != codes[:, 0]):
        assert changed.float().mean().item() == pytest.approx(0.2, abs=0.03)


def test_columns_of_one_feature_are_swapped_together():
    dense, codes = batch()
    source = changer(swap=0.5)(dense, codes)[0].floor()
    assert (source[:, 1] == source[:, 2]).all()
    assert (source[:, 3:] == source[:, 3:4]).all()
    assert (source[:, 0] != source[:, 1]).any()


def test_mixed_rows_lie_between_two():
    dense, codes = batch()
    mixed, other, mixture = changer(mixup=1.0)(dense, codes)
    share = mixture.share
    assert 0 <= share <= 1
    expected = share * dense + (1 - share) * dense[mixture.order]
    torch.testing.assert_close(mixed, expected)
    own = other[:, 0] == codes[:, 0]
    assert (own | (other[:, 0] == codes[mixture.order, 0])).all()
    assert own.float().mean().item() == pytest.approx(share, abs=0.06)


def test_shares_are_those_of_a_beta_distribution():
    change = changer(mixup=0.4)
    shares = [change(*batch(2))[2].share for _ in range(500)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    assert np.var(shares) == pytest.approx(1 / (4 * 1.8), rel=0.15)


@pytest.mark.parametrize("params", [{"noise": 0.1}, {"mixup": 0.2}, {"swap": 0.2}])
def test_a_seed_repeats_the_changes(params):
    one, two = (changer(**params)(*batch())[0] for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(changer(**params, seed=1)(*batch())[0], one)


def test_the_encoder_tells_which_columns_belong_together():
    frame = pd.DataFrame(
        {
            "number": [1.0, 2.0, 3.0],
            "holes": [1.0, np.nan, 3.0],
            "few": pd.Categorical(["a", "b", "a"]),
        }
    )
    encoder = NetEncoder().fit(frame)
    np.testing.assert_array_equal(encoder.features_, [0, 1, 1, 2, 2, 2])
    assert encoder.transform(frame)[0].shape[1] == len(encoder.features_)


@pytest.mark.parametrize(
    "params", [{"feature_noise": 0.1}, {"mixup": 0.3}, {"feature_swap": 0.1}]
)
def test_augmented_nets_learn_numbers_and_categories(params):
    rng = np.random.default_rng(0)
    few, many = rng.choice(["a", "b", "c"], 2000), rng.integers(0, 20, 2000)
    frame = pd.DataFrame(
        {
            "number": rng.normal(size=2000),
            "few": pd.Categorical(few),
            "many": pd.Categorical(many),
        }
    )
    y = (few == "a") ^ (many < 10)
    weight = rng.random(2000) + 0.5
    net = RealMLPClassifier(max_epochs=30, random_state=0, **params)
    net.fit(frame[:1500], y[:1500], weight[:1500])
    assert net.score(frame[1500:], y[1500:]) > 0.9
