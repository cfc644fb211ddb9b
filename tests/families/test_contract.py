"""Every family, found by itself, keeps the contract of families/base.py."""

import pickle
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import optuna
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression

from automodel.clock import Deadline
from automodel.evaluation.evaluate import Candidate, Folds, Monitor, evaluate
from automodel.exceptions import DeadlineReached, TrialPruned
from automodel.families import all_families, find_families
from automodel.families._columns import ColumnsEstimator
from automodel.families._net import NetFamily
from automodel.preprocessing.reader import TableReader
from tests.conftest import FakeClock, make_task
from tests.makers import make_metric

KINDS = ["binary", "multiclass", "regression", "multilabel", "multioutput"]
OF_CLASSES = ("binary", "multiclass")  # one in each row
SEVERAL = ("multilabel", "multioutput")
N_COLUMNS = 3
FAMILIES = [
    family
    for family in all_families().values()
    if family.modality == "tabular" and not family.missing_libraries()
]
PAIRS = [
    (family, kind) for family in FAMILIES for kind in KINDS if kind in family.tasks
]
MOST_STEPS = 60
SMALL = {  # what is enough for the rows below, to save time
    "ft_transformer": {"width": 16, "n_blocks": 1, "learning_rate": 0.01},
    "mlp": {"width": 32, "max_epochs": 30},
    "packed_mlp": {"n_members": 3, "width": 16, "max_epochs": 12},
    "resnet": {"width": 32, "max_epochs": 25},
    "tabm": {"k": 2, "width": 32, "max_epochs": 30},
}


def make_rows(kind, n_samples=240, dtype=np.float64):
    if kind == "regression":
        X, y = make_regression(n_samples, 8, n_informative=4, noise=5, random_state=0)
        return X.astype(dtype), y
    if kind not in OF_CLASSES:
        options = {"n_informative": 4, "n_targets": N_COLUMNS, "noise": 5}
        X, y = make_regression(n_samples, 8, **options, random_state=0)
        y = (y - y.mean(axis=0)) / y.std(axis=0)
        return X.astype(dtype), (y > 0.3).astype(int) if kind == "multilabel" else y
    X, y = make_classification(
        n_samples,
        8,
        n_informative=5,
        n_classes=2 if kind == "binary" else 4,
        class_sep=1.5,
        random_state=0,
    )
    return X.astype(dtype), y


def task_of(kind, X, y):
    n_classes = int(y.max()) + 1 if kind in OF_CLASSES else 0
    return new_task(kind, *X.shape, n_classes, time_budget=60)


def new_task(kind, n_samples, n_features, n_classes, **facts):
    """Return the task of a kind; `n_classes` are for those that have classes."""
    if kind in OF_CLASSES:
        return make_task(kind, n_samples, n_features, n_classes, **facts)
    n_outputs = 1 if kind == "regression" else N_COLUMNS
    return make_task(kind, n_samples, n_features, n_outputs=n_outputs, **facts)


def default_params(family, task):
    """Return the default setting, cut to a small model of a few steps."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    portfolio = family.portfolio(task)
    if portfolio:
        study.enqueue_trial(portfolio[0])
    params = family.search_space(study.ask(), task)
    if family.iteration_param:
        steps = family.estimator(task, 0).get_params()[family.iteration_param]
        params[family.iteration_param] = min(steps, MOST_STEPS)
    return params | SMALL.get(family.name, {})


def new_estimator(family, task, seed=0):
    return family.estimator(task, seed).set_params(**default_params(family, task))


def fit(family, kind, X, y, *, monitor=None, sample_weight=None, seed=0):
    estimator = new_estimator(family, task_of(kind, X, y), seed)
    return family.fit(
        estimator,
        X,
        y,
        sample_weight=sample_weight,
        monitor=Monitor() if monitor is None else monitor,
    )


def predict(model, X):
    if not hasattr(model, "predict_proba"):
        return model.predict(X)
    proba = model.predict_proba(X)
    if not isinstance(proba, list):
        return proba
    pairs = zip(proba, model.classes_, strict=True)
    return np.column_stack([of_label @ classes for of_label, classes in pairs])


def halves(X, y):
    return (X[::2], y[::2]), (X[1::2], y[1::2])


def score_of(X, y):
    """Return a score for the monitor: minus the squared error, or accuracy."""

    def score(model):
        answer = predict(model, X)
        if answer.shape == y.shape:
            return -float(np.mean((answer - y) ** 2))
        return float(np.mean(answer.argmax(axis=1) == y))

    return score


def watched(valid, **options):
    return Monitor(valid=(*valid, None), score=score_of(*valid), **options)


@dataclass(frozen=True)
class Fit:
    """A fitted model that several tests look at, and leave as it is."""

    model: Any
    monitor: Monitor
    answer: np.ndarray  # for all rows
    is_random_state_kept: bool


@cache
def fitted(family, kind, *, with_validation):
    """Return the model of the first half of the rows, fitted once for all tests."""
    X, y = make_rows(kind)
    train, valid = halves(X, y)
    monitor = watched(valid) if with_validation else Monitor()
    np.random.seed(7)  # noqa: NPY002  the global state is what is under test
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    model = fit(family, kind, *train, monitor=monitor)
    is_kept = np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    return Fit(model, monitor, predict(model, X), is_kept)


def of(condition, pairs=PAIRS):
    """Run a test for the pairs of a family and a kind that a condition holds for."""
    chosen = [(family, kind) for family, kind in pairs if condition(family, kind)]
    ids = [f"{family.name}-{kind}" for family, kind in chosen]
    return pytest.mark.parametrize(("family", "kind"), chosen, ids=ids)


each = of(lambda family, kind: True)


def takes_categories(family, kind):
    """Tell whether it does, and in a way that differs with the kind."""
    differs = family.name == "catboost" or isinstance(family, NetFamily)
    return family.categorical and (kind not in SEVERAL or differs)


# What concerns X alone is the same with several columns.
each_of_one = of(lambda family, kind: kind not in SEVERAL)
of_steps = of(lambda family, kind: family.iteration_param is not None)
N_CLASSES = {"binary": [2], "multiclass": [3, 26]}  # other kinds have none
of_sizes = pytest.mark.parametrize(
    ("family", "kind", "n_classes"),
    [
        pytest.param(family, kind, n_classes, id=f"{family.name}-{kind}-{n_classes}")
        for family, kind in PAIRS
        for n_classes in N_CLASSES.get(kind, [0])
    ],
)


def learns_by_column(family, kind):
    estimator = family.estimator(new_task(kind, 100, 8, 2), 0)
    return isinstance(estimator, ColumnsEstimator)


def skip_second_wrapper(family, kind):
    """Skip columns of numbers where they are fitted as labels are, one by one."""
    if kind == "multioutput" and learns_by_column(family, kind):
        pytest.skip("as for several labels")


@each
def test_a_model_is_better_than_the_prior(family, kind):
    _, (_, y_valid) = halves(*make_rows(kind))
    answer = fitted(family, kind, with_validation=False).answer[1::2]
    if kind not in OF_CLASSES:
        error = np.mean((answer - y_valid) ** 2, axis=0)
        assert answer.shape == y_valid.shape
        most = 0.6 if kind == "regression" else 0.8
        assert np.all(error < most * np.var(y_valid, axis=0))
    else:
        prior = np.bincount(y_valid).max() / len(y_valid)
        assert np.mean(answer.argmax(axis=1) == y_valid) > prior + 0.15


@of(lambda family, kind: kind in OF_CLASSES)
def test_probabilities_have_a_column_per_class_and_sum_to_one(family, kind):
    _, y = make_rows(kind)
    proba = fitted(family, kind, with_validation=False).answer
    assert proba.shape == (len(y), y.max() + 1)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)


@of(lambda family, kind: kind in SEVERAL)
def test_a_column_of_one_value_is_predicted_as_it_is(family, kind):
    X, y = make_rows(kind)
    train, valid = halves(X, y)
    train[1][:, 1] = 1
    answer = predict(fit(family, kind, *train, monitor=watched(valid)), valid[0])
    np.testing.assert_allclose(answer[:, 1], 1, atol=0.05)
    assert np.ptp(answer[:, 0]) > 0.3


@each
def test_the_same_seed_gives_the_same_model(family, kind):
    skip_second_wrapper(family, kind)
    X, y = make_rows(kind)
    train, valid = halves(X, y)
    again = predict(fit(family, kind, *train, monitor=watched(valid)), X)
    first = fitted(family, kind, with_validation=True).answer
    np.testing.assert_array_equal(first, again)


@each_of_one
@pytest.mark.parametrize("with_validation", [False, True])
def test_a_fit_leaves_the_global_random_state_alone(family, kind, with_validation):
    assert fitted(family, kind, with_validation=with_validation).is_random_state_kept


@each
def test_a_fitted_model_survives_pickle(family, kind):
    found = fitted(family, kind, with_validation=True)
    restored = pickle.loads(pickle.dumps(found.model))
    X, _ = make_rows(kind)
    np.testing.assert_allclose(predict(restored, X), found.answer, rtol=1e-6)


@each
def test_what_is_kept_of_a_model_predicts_the_same(family, kind):
    found = fitted(family, kind, with_validation=True)
    before = pickle.dumps(found.model)
    kept = family.compact(pickle.loads(before))
    assert isinstance(kept, type(found.model))
    X, _ = make_rows(kind)
    for model in (kept, pickle.loads(pickle.dumps(kept))):
        scale = np.abs(found.answer).max()
        np.testing.assert_allclose(predict(model, X), found.answer, atol=1e-6 * scale)
    assert len(pickle.dumps(kept)) <= len(before) + 1000


@each
def test_a_fitted_model_can_be_cloned(family, kind):
    copy = clone(fitted(family, kind, with_validation=True).model)
    assert type(copy) is type(new_estimator(family, task_of(kind, *make_rows(kind))))


@each
def test_the_estimator_can_be_cloned_before_it_is_fitted(family, kind):
    X, y = make_rows(kind)
    estimator = new_estimator(family, task_of(kind, X, y))
    assert repr(sorted(clone(estimator).get_params().items())) == repr(
        sorted(estimator.get_params().items())
    )


@each
def test_a_past_deadline_ends_the_fit(family, kind):
    X, y = make_rows(kind)
    with pytest.raises(DeadlineReached):
        fit(family, kind, X, y, monitor=Monitor(Deadline.after(-1.0)))


@of_steps
def test_a_model_cut_by_the_deadline_is_usable(family, kind):
    X, y = make_rows(kind)
    train, valid = halves(X, y)
    monitor = ExpiresAfterSteps(1 if learns_by_column(family, kind) else 2, valid)
    model = fit(family, kind, *train, monitor=monitor)
    assert np.isfinite(predict(model, X)).all()
    assert 1 <= np.min(monitor.steps_used) < MOST_STEPS


class ExpiresAfterSteps(Monitor):
    """A monitor whose time is up after it was asked a few times."""

    def __init__(self, n_steps, valid):
        super().__init__(
            Deadline.after(3600.0, FakeClock()),
            valid=(*valid, None),
            score=score_of(*valid),
            should_prune=lambda reports: False,
        )
        self.n_left = n_steps

    @property
    def seconds_left(self):
        return 3600.0 if self.n_left > 0 else -1.0

    def report(self, step, value):
        super().report(step, value)
        self.n_left -= 1


@of_steps
def test_a_pruned_trial_leaves_the_fit_as_trial_pruned(family, kind):
    X, y = make_rows(kind)
    train, valid = halves(X, y)
    n_reports = 1 if learns_by_column(family, kind) else 2  # one of three columns
    monitor = watched(valid, should_prune=lambda reports: len(reports) >= n_reports)
    with pytest.raises(TrialPruned):
        fit(family, kind, *train, monitor=monitor)


@of_steps
def test_steps_used_are_the_steps_of_the_returned_model(family, kind):
    steps = fitted(family, kind, with_validation=True).monitor.steps_used
    assert np.min(steps) >= 1
    assert np.max(steps) <= MOST_STEPS


@of_steps
def test_a_refit_trains_the_iterations_it_is_told(family, kind):
    X, y = make_rows(kind)
    net = new_estimator(family, task_of(kind, X, y))
    if family.joins_folds or getattr(net, "early_stopping", False):
        pytest.skip("takes its epoch and its temperature from an inner part")
    monitor = Monitor(n_iterations=7)
    model = fit(family, kind, X, y, monitor=monitor)
    assert np.all(np.equal(monitor.steps_used, 7))
    assert np.isfinite(predict(model, X)).all()


class HurriedMonitor(Monitor):
    """Its time goes by look, not by clock: a training is cut in any case."""

    def __init__(self, n_looks):
        super().__init__(Deadline.after(3600.0))
        self.n_left = n_looks

    @property
    def seconds_left(self):
        self.n_left -= 1
        return 1e-3 * max(self.n_left, -1)


@each
@pytest.mark.parametrize("n_looks", [6, 40])
def test_a_training_that_time_has_cut_is_repeated_without_it(family, kind, n_looks):
    X, y = make_rows(kind)
    train, _ = halves(X, y)
    hurried = HurriedMonitor(n_looks)
    try:
        cut = fit(family, kind, *train, monitor=hurried)
    except DeadlineReached:
        pytest.skip("nothing is usable in that time")
    used, step_plan = hurried.steps_used, hurried.step_plan_used
    monitor = Monitor(n_iterations=used, step_plan=step_plan)
    again = fit(family, kind, *train, monitor=monitor)
    np.testing.assert_allclose(predict(again, X), predict(cut, X), rtol=1e-6, atol=1e-9)
    is_planned = family.name == "hist_gradient_boosting" or isinstance(
        family, NetFamily
    )
    if n_looks == 6 and is_planned:
        assert step_plan, "it says how it was cut"
        whole = fitted(family, kind, with_validation=False).answer
        assert not np.allclose(whole, predict(cut, X))


@each
def test_constant_columns_are_no_error(family, kind):
    X, y = make_rows(kind)
    X = np.ones_like(X)
    train, valid = halves(X, y)
    assert np.isfinite(
        predict(fit(family, kind, *train, monitor=watched(valid)), X)
    ).all()


@each_of_one
def test_missing_values_are_no_error_where_the_tags_promise_it(family, kind):
    X, y = make_rows(kind)
    estimator = new_estimator(family, task_of(kind, X, y))
    if not estimator.__sklearn_tags__().input_tags.allow_nan:
        pytest.skip("the encoder imputes")
    X = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
    train, valid = halves(X, y)
    assert np.isfinite(
        predict(fit(family, kind, *train, monitor=watched(valid)), X)
    ).all()


@each
def test_twelve_rows_are_enough(family, kind):
    skip_second_wrapper(family, kind)
    X, y = make_rows(kind)
    rows = np.arange(12)
    if kind in OF_CLASSES:
        rows = np.argsort(y, kind="stable")[:: len(y) // 12][:12]
    train, valid = (X[rows], y[rows]), (X[100:104], y[100:104])
    model = fit(family, kind, *train, monitor=watched(valid))
    assert np.isfinite(predict(model, X)).all()


@each_of_one
def test_single_precision_will_do(family, kind):
    X, y = make_rows(kind, dtype=np.float32)
    train, valid = halves(X, y)
    assert np.isfinite(
        predict(fit(family, kind, *train, monitor=watched(valid)), X)
    ).all()


@each
def test_weights_change_the_model(family, kind):
    X, y = make_rows(kind)
    if not family.takes_sample_weight(task_of(kind, X, y)):
        pytest.skip("takes no weights")
    (X_train, y_train), valid = halves(X, y)
    first = y_train if y_train.ndim == 1 else y_train[:, 0]
    weight = np.where(first > np.median(first), 5.0, 0.2)
    monitor = Monitor(valid=(*valid, np.ones(len(valid[1]))), score=score_of(*valid))
    weighted = fit(
        family, kind, X_train, y_train, sample_weight=weight, monitor=monitor
    )
    plain = fitted(family, kind, with_validation=True).answer
    assert not np.allclose(predict(weighted, X), plain)


@of(takes_categories)
def test_category_columns_are_taken_where_promised(family, kind):
    pd = pytest.importorskip("pandas")
    X, y = make_rows(kind)
    codes = np.digitize(X[:, 0], [-1, 0, 1])
    X = pd.DataFrame({f"x{i}": X[:, i] for i in range(1, 8)})
    X["c0"] = pd.Categorical(codes, categories=range(5))
    train, valid = (X[::2], y[::2]), (X[1::2], y[1::2])
    model = fit(family, kind, *train, monitor=watched(valid))
    assert np.isfinite(predict(model, X)).all()


def mixed_table(kind):
    """Return rows with missing numbers, rare categories and text, and their target."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X, y = make_rows(kind, 120)
    X[rng.random(X.shape) < 0.1] = np.nan
    frame = pd.DataFrame(X, columns=[f"number {i}" for i in range(X.shape[1])])
    frame["few"] = rng.choice(["red", "green", None], len(y))
    frame["many"] = [f"id {i}" for i in rng.integers(0, 60, len(y))]
    words = np.array(
        ["good", "bad", "slow", "quick", "the", "a", "box", "came", "late"]
    )
    frame["text"] = [" ".join(rng.choice(words, 12)) + f" {i}" for i in range(len(y))]
    return frame, y


@each
@pytest.mark.parametrize("container", ["mixed", "sparse"])
def test_a_default_candidate_completes_on_any_table(family, kind, container):
    if container == "sparse" and kind in SEVERAL:
        pytest.skip("as with one column")
    frame, y = mixed_table(kind)
    if container == "sparse":
        frame = csr_matrix(np.nan_to_num(frame.to_numpy()[:, :8].astype(float)))
    reader = TableReader()
    table = reader.fit_transform(frame)
    task = replace(task_of(kind, frame, y), facts=reader.facts(table))
    if not family.supports(task):
        pytest.skip("refuses the table")
    splits = [(np.arange(len(y)) % 3 != i, np.arange(len(y)) % 3 == i) for i in (0, 1)]
    splits = [(np.flatnonzero(a), np.flatnonzero(b)) for a, b in splits]
    metric = make_metric(None, task, np.unique(y) if kind in OF_CLASSES else None)
    folds = Folds(table, y, None, splits, task, metric)
    params = default_params(family, task)
    result = evaluate(Candidate(family, params), folds)
    assert (result.status, result.error) == ("complete", "")


@pytest.mark.parametrize("n_categorical", [0, 3])
@pytest.mark.parametrize("n_samples", [20, 1000, 50_000])
@of_sizes
def test_the_portfolio_lies_inside_the_search_space(
    family, kind, n_classes, n_samples, n_categorical
):
    task = new_task(kind, n_samples, 12, n_classes, n_categorical=n_categorical)
    portfolio = family.portfolio(task)
    assert portfolio
    for setting in portfolio:
        study = optuna.create_study()
        study.enqueue_trial(setting)
        trial = study.ask()
        family.search_space(trial, task)
        asked = {key: trial.params.get(key) for key in setting}
        assert asked == setting
        for key, value in setting.items():
            assert trial.distributions[key]._contains(
                trial.distributions[key].to_internal_repr(value)
            )


@each
def test_the_search_space_gives_parameters_of_the_estimator(family, kind):
    X, y = make_rows(kind)
    task = task_of(kind, X, y)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(5):
        params = family.search_space(study.ask(), task)
        estimator = family.estimator(task, 0).set_params(**params)
        assert estimator.get_params().items() >= params.items()


@each
def test_the_cost_grows_with_rows(family, kind):
    small, large = (new_task(kind, n, 20, 3) for n in (1000, 30_000))
    params = family.portfolio(small)[0] if family.portfolio(small) else {}
    assert 0 < family.cost(params, small) < family.cost(params, large)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_survives_pickle(family):
    assert pickle.loads(pickle.dumps(family)).name == family.name


@each
def test_a_family_reads_no_facts_of_another_modality(family, kind):
    task = task_of(kind, *make_rows(kind))
    assert family.supports(task)
    assert not family.supports(replace(task, modality="another", facts=None))


@each
def test_an_estimator_uses_one_thread(family, kind):
    X, y = make_rows(kind)
    params = family.estimator(task_of(kind, X, y), 0).get_params()
    threads = {params[k] for k in ("n_jobs", "thread_count") if k in params}
    assert threads <= {1, None}


def test_families_come_in_the_order_of_their_rank():
    ranks = [family.rank for family in find_families(None)]
    assert ranks == sorted(ranks)


def test_the_list_of_families_loads_no_library_of_a_family():
    code = (
        "import sys; from automodel.families import all_families; all_families();"
        "heavy = {'lightgbm', 'xgboost', 'catboost', 'torch', 'optuna'};"
        "assert not heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_table_of_families_names_each_of_them():
    run = subprocess.run(
        [sys.executable, "-m", "automodel.families"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert len(all_families()) >= len(FAMILIES) > 0
    for name in all_families():
        assert name in run.stdout


@of(lambda family, kind: isinstance(family, NetFamily))
def test_the_cost_of_nets_counts_the_components_of_text(family, kind):
    plain, texts = (
        new_task(kind, 1000, 8, 3, n_numeric=3, n_categorical=5, n_text=n_text)
        for n_text in (0, 5)
    )
    params = family.portfolio(plain)[0]
    assert family.cost(params, texts) > 1.2 * family.cost(params, plain)
