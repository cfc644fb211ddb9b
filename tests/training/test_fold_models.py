"""Models of the folds for members of an ensemble: kept, or fitted again."""

import numpy as np
import pytest
from sklearn.model_selection import LeaveOneOut

from automodel import AutoRegressor
from automodel.clock import NO_DEADLINE, Deadline
from automodel.evaluation.encoding import Encodings
from automodel.exceptions import TrialPruned
from automodel.families import find_families
from automodel.training.fold_models import MOST_FOLDS, FoldFitter
from tests.conftest import FakeClock, StubFamily


class CountingFamily(StubFamily):
    """A family that keeps the rows of each fit, and takes fake seconds for it."""

    n_rows: list[int] = []
    clock = None
    fit_seconds = 0.0

    def fit(self, estimator, X, y, **options):
        self.n_rows.append(len(y))
        if self.clock is not None:
            self.clock.wait(self.fit_seconds)
        return super().fit(estimator, X, y, **options)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    return X, X[:, 0] + 0.1 * rng.normal(size=2000)


def searched(data, **options):
    options = {"n_trials": 2, "time_budget": None, "cv": 4} | options
    family = CountingFamily(trials=[(0.9, "plain"), (0.5, "plain")])
    search = AutoRegressor(families=[family], random_state=0, **options)
    search.fit(*data)
    family.n_rows = []
    return search, family


def fitter_of(search, data, deadline=NO_DEADLINE, seconds=None):
    families = find_families(search.families, "tabular")
    prepared = search._prepare(
        search._check_data(*data, None, None), families, search._seed_, None
    )
    by_name = {family.name: family for family in families}
    return FoldFitter(prepared.folds, by_name, seconds or {}, deadline)


def test_models_of_folds_that_a_member_holds_are_used(data):
    search, family = searched(data, refit=False)
    found = fitter_of(search, data).run(search.ensemble_, keeps_models=True)
    assert sorted(found.models) == [0, 1, 2, 3]
    assert family.n_rows == []
    held = [m for member in search.ensemble_.members for m in member.models]
    assert all(model in held for own in found.models.values() for model in own)


def test_others_are_fitted_again_as_in_the_search(data):
    kept, _ = searched(data, refit=False)
    search, family = searched(data, refit=True)
    before = fitter_of(kept, data).run(kept.ensemble_, keeps_models=True)
    fitter = fitter_of(search, data)
    after = fitter.run(search.ensemble_, keeps_models=True)
    assert family.n_rows[:4] == [1500] * 4
    rows = fitter.folds.rows
    for fold in range(4):
        expected = before.predict(fold, rows)
        assert np.allclose(after.predict(fold, rows), expected)


def test_models_of_other_splits_are_not_used(data):
    search, family = searched(data, refit=False)
    fitter_of(search, data).run(search.ensemble_, keeps_models=False)
    assert len(family.n_rows) >= 4


def test_a_short_time_is_for_some_folds_of_the_heaviest_member(data):
    search, family = searched(data, refit=True)
    clock = FakeClock()
    family.clock, family.fit_seconds = clock, 3.0
    number = search.ensemble_.members[0].number
    deadline = Deadline.after(8.0, clock)
    fitter = fitter_of(search, data, deadline, {number: 3.0})
    found = fitter.run(search.ensemble_, keeps_models=True)
    assert sorted(found.models) == [0, 1]
    assert [member.number for member in found.members] == [number]
    assert found.train_share == 1
    assert clock.now() <= 8.0


def test_with_less_time_than_a_fold_takes_fewer_rows_are_trained(data):
    search, family = searched(data, refit=True)
    number = search.ensemble_.members[0].number
    deadline = Deadline.after(8.0, FakeClock())
    every = dict.fromkeys((m.number for m in search.ensemble_.members), 12.8)
    fitter = fitter_of(search, data, deadline, every)
    found = fitter.run(search.ensemble_, keeps_models=True)
    assert family.n_rows == [750]  # 0.8 x 8 of 12.8 seconds
    assert found.train_share == 0.5
    assert [member.number for member in found.members] == [number]


def test_without_time_there_are_no_models(data):
    search, family = searched(data, refit=True)
    deadline = Deadline(-1.0, FakeClock())
    fitter = fitter_of(search, data, deadline)
    assert fitter.run(search.ensemble_, keeps_models=True) is None
    assert family.n_rows == []


def test_a_splitter_of_many_folds_is_not_followed_to_the_end(data):
    some = tuple(part[:40] for part in data)
    search, family = searched(some, cv=LeaveOneOut(), n_trials=1, refit=True)
    found = fitter_of(search, some).run(search.ensemble_, keeps_models=True)
    assert len(found.models) == len(family.n_rows) == MOST_FOLDS


def test_the_light_members_are_left_out(data):
    search, _ = searched(data, refit=False)
    ensemble = search.ensemble_
    ensemble.members[0].weight = 0.95
    for member in ensemble.members[1:]:
        member.weight = 0.05
    found = fitter_of(search, data).run(ensemble, keeps_models=True)
    assert found.members == ensemble.members[:1]


def test_models_whose_rows_take_too_long_to_encode_are_not_used(data, monkeypatch):
    def take_too_long(self, encoder, deadline):
        raise TrialPruned

    search, _ = searched(data, refit=False)
    fitter = fitter_of(search, data)
    monkeypatch.setattr(Encodings, "prepare", take_too_long)
    assert fitter.run(search.ensemble_, keeps_models=True) is None


def test_the_heaviest_members_alone_predict_as_a_mean_of_their_own(data):
    search, _ = searched(data, refit=False)
    fitter = fitter_of(search, data)
    found = fitter.run(search.ensemble_, keeps_models=True).heaviest(1)
    rows = fitter.folds.rows
    (model,) = found.models[2]
    assert np.allclose(found.predict(2, rows), model.predict(rows))
