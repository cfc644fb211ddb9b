"""What tests of plans make by hand."""

import numpy as np

from automodel.evaluation.folds import Folds
from automodel.families.base import ModelFamily
from automodel.preprocessing.reader import TableReader
from automodel.search.search import SearchSettings
from automodel.training.plan import Fit
from automodel.training.planning.probe import Probe
from automodel.training.planning.probes import Probes
from automodel.training.train import TrainingSettings
from tests.conftest import StubFamily, make_task
from tests.makers import make_metric

MEGA = 10**6


class CostlyFamily(StubFamily):
    """A stub that states a cost: so many seconds for 1,000 rows."""

    seconds_per_1000 = 1.0

    def cost(self, params, task):
        return self.seconds_per_1000 * task.n_samples / 1000


class BlindFamily(StubFamily):
    """A stub that does not look at the clock when it trains."""

    fit = ModelFamily.fit


class SilentFamily(StubFamily):
    """A stub that states no cost."""

    def cost(self, params, task):
        return float("nan")


def make_folds(n_rows=1000, n_folds=5):
    """Return folds of random rows with two classes."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n_rows, 5)), rng.integers(0, 2, n_rows)
    task = make_task("binary", n_rows, 5, 2)
    parts = np.array_split(rng.permutation(n_rows), n_folds)
    splits = [(np.setdiff1d(np.arange(n_rows), part), part) for part in parts]
    metric = make_metric(None, task, np.array([0, 1]))
    return Folds(TableReader().fit_transform(X), y, None, splits, task, metric)


def make_probe(family="stub", n_rows=400, fit_seconds=0.4, **others):
    """Return the probe of a stub."""
    options = {"n_bytes": 20.0 * MEGA, "model_bytes": 1e4, "score": -0.5} | others
    params = {"quality": 1.0, "mode": "plain"}
    return Probe(family, params, n_rows, fit_seconds, **options)


def make_probes(*probes):
    """Return probes in a process that starts in a second with 200 MB."""
    return Probes(list(probes), 1.0, 200.0 * MEGA, 5.0)


def make_fit(families, *, n_trials=None, seconds=None, folds=None, **settings):
    """Return a fit that is planned."""
    search = SearchSettings(seed=0)
    return Fit(
        make_folds() if folds is None else folds,
        families,
        {},
        TrainingSettings(search, **settings),
        seconds,
        n_trials,
        0.1,
    )
