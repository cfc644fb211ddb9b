"""Fine-tuned encoders as a family: settings, cost, reports, repetition."""

from dataclasses import replace

import numpy as np
import optuna
import pytest

from automodel import AutoTextClassifier
from automodel.evaluation.splits import make_splits
from automodel.exceptions import TrialPruned
from automodel.families import able_families, find_families
from automodel.families.text.bert import TextBertFamily
from automodel.families.text.tfidf import TextTfidf
from automodel.monitor import Monitor
from automodel.nets.weights import find_weights
from automodel.preprocessing.text.texts import TextFacts, Texts
from automodel.targets.classes import ClassTarget
from automodel.targets.objective import Objective
from automodel.task import Task
from tests.nets.bert.texts import make_texts
from tests.tiny_encoder import write_encoder

KINDS = ("binary", "multiclass", "multilabel", "regression", "multioutput")
FAMILY = TextBertFamily()
TEXTS, VALUES = make_texts(160)
SMALL = {"max_epochs": 2}
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = write_encoder(tmp_path_factory.mktemp("weights") / "tiny", width=32)
    return find_weights(folder)


def task_of(kind, weights, n_samples=160, mean_chars=40.0, **options):
    n_classes = {"binary": 2, "multiclass": 3}.get(kind, 0)
    several = 2 if kind in ("multilabel", "multioutput") else 1
    return Task(
        kind,
        n_samples,
        n_outputs=n_classes or several,
        n_classes=n_classes,
        modality="text",
        facts=TextFacts(mean_chars, int(10 * mean_chars), weights=weights),
        **options,
    )


def targets_of(kind):
    return {
        "binary": (VALUES > 0).astype(int),
        "multiclass": np.sign(VALUES).astype(int) + 1,
        "multilabel": np.c_[VALUES > 0, VALUES < 0].astype(int),
        "regression": VALUES,
        "multioutput": np.c_[VALUES, -VALUES],
    }[kind]


def fit(kind, weights, monitor=None, **params):
    y = targets_of(kind)
    net = FAMILY.estimator(task_of(kind, weights), 0).set_params(**SMALL | params)
    return FAMILY.fit(net, TEXTS[:120], y[:120], monitor=monitor or Monitor())


def watched(kind, **options):
    y = targets_of(kind)[120:]

    def score(net):
        return float(np.mean(net.predict(TEXTS[120:]) == y))

    return Monitor(valid=(TEXTS[120:], y, None), score=score, **options)


@each_kind
def test_the_first_setting_is_the_default_of_the_net(weights, kind):
    task = task_of(kind, weights)
    net = FAMILY.estimator(task, 0)
    assert {**net.get_params(), **FAMILY.portfolio(task)[0]} == net.get_params()


@each_kind
def test_every_sampled_setting_is_accepted(weights, kind):
    task = task_of(kind, weights)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(3):
        params = FAMILY.search_space(study.ask(), task)
        net = FAMILY.estimator(task, 0).set_params(**params)
        net.set_params(max_epochs=1).fit(TEXTS[:40], targets_of(kind)[:40])


def test_the_objective_fixes_the_loss(weights):
    task = task_of("regression", weights, objective=Objective("absolute_error"))
    assert FAMILY.estimator(task, 0).loss == "absolute_error"
    assert all("loss" not in setting for setting in FAMILY.portfolio(task))


def test_cost_grows_with_what_makes_a_fit_long(weights):
    task = task_of("binary", weights, 1000)
    base = FAMILY.portfolio(task)[0]
    cost = FAMILY.cost(base, task)
    assert cost == pytest.approx(FAMILY.cost({}, task))
    assert FAMILY.cost({**base, "max_epochs": 6}, task) > 1.5 * cost
    assert FAMILY.cost({**base, "layers": 2}, task) < 0.8 * cost
    assert FAMILY.cost(base, task_of("binary", weights, 2000)) > 1.9 * cost
    assert FAMILY.cost(base, task_of("binary", weights, 1000, 200.0)) > 3 * cost
    long = task_of("binary", weights, 1000, 5000.0)
    longer = task_of("binary", weights, 1000, 50_000.0)
    assert FAMILY.cost(base, long) == FAMILY.cost(base, longer)


def test_it_needs_weights_that_can_be_trained(weights):
    assert "text_bert" in {f.name for f in find_families(None, "text")}
    task = task_of("binary", weights)
    assert FAMILY.supports(task)
    assert not FAMILY.supports(replace(task, modality="tabular"))
    assert not FAMILY.supports(task_of("binary", ()))
    universal = replace(weights[0], kind="universal-sentence-encoder")
    assert not FAMILY.supports(task_of("binary", (universal,)))
    assert FAMILY.takes_sample_weight(task)


def test_a_search_tries_it_by_default_if_many_texts_are_learned_in_time(weights):
    def pays(n_samples=8000, **options):
        return FAMILY.pays(task_of("binary", own, n_samples, 100.0, **options))

    own = (replace(weights[0], width=384),)
    assert not pays(time_budget=60.0)
    assert pays(time_budget=300.0)
    assert not pays(n_samples=100, time_budget=300.0)
    assert not pays()  # a trial without a clock would take minutes
    task = task_of("binary", own, time_budget=60.0)
    used, left_out = able_families([FAMILY, TextTfidf()], task, is_default=True)
    assert [family.name for family in used] == ["text_tfidf"]
    assert "not worthwhile" in left_out["text_bert"]
    assert FAMILY in able_families([FAMILY], task)[0]


def test_a_single_split_is_drawn_if_folds_take_too_long(weights):
    own = (replace(weights[0], width=384),)

    def is_slow(seconds):
        task = task_of("binary", own, 8000, 100.0, time_budget=seconds)
        return FAMILY.is_slow(task)

    assert [is_slow(seconds) for seconds in (60.0, 300.0, 3000.0)] == [0, 1, 0]
    task = task_of("binary", own, 8000, 100.0, time_budget=300.0, is_slow=True)
    y = np.arange(8000) % 2
    target = ClassTarget.of(y)
    assert len(make_splits(None, task, target, target.encode(y), None, 0)) == 1
    assert len(make_splits(3, task, target, target.encode(y), None, 0)) == 3


def test_a_search_without_a_clock_is_the_same_on_any_processor(weights):
    assert FAMILY.estimator(task_of("binary", weights), 0).precision == "float32"
    timed = task_of("binary", weights, time_budget=300.0)
    assert FAMILY.estimator(timed, 0).precision == "auto"


def test_parts_of_an_epoch_are_reported(weights):
    reports = {}
    fit("binary", weights, watched("binary", should_prune=reports.update))
    assert len(reports) >= 3
    assert set(reports) <= set(range(16))


def test_a_pruned_trial_leaves_the_fit_as_trial_pruned(weights):
    monitor = watched("binary", should_prune=lambda reports: len(reports) == 2)
    with pytest.raises(TrialPruned):
        fit("binary", weights, monitor)


def test_a_training_is_repeated_by_its_plan(weights):
    monitor = Monitor()
    first = fit("binary", weights, monitor)
    assert monitor.steps_used == first.n_iter_ >= 1
    plan = [2, [0, 5]]
    cut = fit("binary", weights, Monitor(step_plan=plan))
    assert cut.n_steps_ == 5


def test_encoders_hand_on_the_texts(weights):
    encoder = FAMILY.preprocessor(None, task_of("binary", weights))
    assert encoder.transform(Texts(TEXTS)).tolist() == TEXTS.tolist()


def test_a_search_may_be_of_it_alone(weights):
    options = {"n_trials": 1, "time_budget": None, "cv": 2, "random_state": 0}
    search = AutoTextClassifier(
        weights=weights[0].folder, families=["text_bert"], **options
    )
    y = np.where(VALUES > 0, "good", "bad")
    search.fit(TEXTS, y)
    assert search.score(TEXTS, y) > 0.8
    assert set(search.leaderboard_["family"]) == {"text_bert"}
