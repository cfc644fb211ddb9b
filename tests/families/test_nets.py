"""The families of nets besides the perceptrons: spaces, portfolios, costs, choice."""

from dataclasses import replace

import numpy as np
import optuna
import pytest
from sklearn.datasets import make_classification, make_regression

from automodel import AutoClassifier
from automodel.families import all_families, find_families
from automodel.families.ft_transformer import FTTransformerFamily
from automodel.families.resnet import ResNetFamily
from automodel.families.tabm import TabMFamily
from automodel.targets.objective import Objective
from tests.conftest import make_task

FAMILIES = [TabMFamily(), ResNetFamily(), FTTransformerFamily()]
TASKS = [
    make_task("binary", 300, 5, 2),
    make_task("multiclass", 300, 5, 3),
    make_task("regression", 300, 5),
]
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
GROWING = {
    "tabm": {"k": 24, "n_layers": 4, "width": 256, "max_epochs": 100},
    "resnet": {"n_blocks": 6, "hidden_factor": 4.0, "width": 320, "max_epochs": 128},
    "ft_transformer": {"n_blocks": 3, "width": 128, "max_epochs": 64},
}


def data(task):
    if not task.is_classification:
        return make_regression(300, 5, random_state=0)
    n_classes = task.n_classes
    options = {"n_informative": 4, "n_redundant": 0, "n_classes": n_classes}
    return make_classification(300, 5, **options, random_state=0)


@each_family
@each_task
def test_each_setting_of_the_portfolio_is_asked_as_it_is(family, task):
    for setting in family.portfolio(task):
        study = optuna.create_study()
        study.enqueue_trial(setting)
        trial = study.ask()
        assert family.search_space(trial, task) == setting
        assert trial.params == setting


def test_refits_that_stop_by_themselves_are_not_taken_for_cut_ones():
    names = ["mlp", "packed_mlp", "tabm", "resnet", "ft_transformer"]
    assert all(family.stops_on_own_rows for family in find_families(names))


OBJECTIVES = [
    (Objective("absolute_error"), {"loss": "absolute_error"}),
    (Objective("quantile", quantile=0.9), {"loss": "quantile", "quantile": 0.9}),
    (Objective("poisson", power=1.0), {"loss": "poisson"}),
    (Objective("gamma", power=3.0), {"loss": "gamma", "power": 1.5}),
    (Objective("tweedie", power=1.2), {"loss": "tweedie", "power": 1.2}),
]


@pytest.mark.parametrize("name", ["mlp", "tabm", "resnet", "ft_transformer"])
@pytest.mark.parametrize(("objective", "expected"), OBJECTIVES)
def test_another_objective_fixes_the_loss(name, objective, expected):
    (family,) = find_families([name])
    task = replace(TASKS[2], objective=objective)
    for setting in family.portfolio(task):
        study = optuna.create_study()
        study.enqueue_trial(setting)
        trial = study.ask()
        net = family.estimator(task, 0).set_params(**family.search_space(trial, task))
        assert expected.items() <= net.get_params().items()
        assert trial.params == setting
        assert "loss" not in setting
        assert net.early_stopping == objective.is_deviance


@each_family
@each_task
def test_the_first_setting_is_the_default_of_the_net(family, task):
    net = family.estimator(task, 0)
    usual = {**net.get_params(), **family.portfolio(task)[0]}
    if family.name == "ft_transformer":
        usual["batch_size"] = "auto"  # which could take more memory on large tables
    assert usual == net.get_params()


@each_family
@each_task
def test_every_sampled_setting_is_accepted(family, task):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    X, y = data(task)
    for _ in range(6):
        params = family.search_space(study.ask(), task)
        net = family.estimator(task, 0).set_params(**params)
        net.set_params(max_epochs=1).fit(X[:40], y[:40])


@each_family
@each_task
def test_cost_grows_with_what_makes_a_fit_long(family, task):
    base = dict(family.portfolio(task)[0])
    cost = family.cost(base, task)
    assert cost == pytest.approx(family.cost({}, task), rel=0.5)
    for name, value in GROWING[family.name].items():
        assert family.cost({**base, name: value}, task) > cost
    wide = make_task(task.kind, 300, 50, task.n_classes)
    assert family.cost(base, wide) > cost


def test_wide_tables_are_not_for_attention():
    wide = make_task("binary", 1000, 300, 2)
    assert not FTTransformerFamily().supports(wide)
    assert TabMFamily().supports(wide)


def test_families_that_cost_too_much_are_tried_only_when_named():
    usual = {family.name for family in find_families(None)}
    assert {"mlp", "tabm"} <= usual
    assert not {"resnet", "ft_transformer"} & usual
    assert {"resnet", "ft_transformer"} <= set(all_families())
    named = find_families(["resnet", "ft_transformer"])
    assert [family.name for family in named] == ["resnet", "ft_transformer"]


@pytest.mark.parametrize("name", ["tabm", "resnet", "ft_transformer"])
def test_a_search_may_be_of_nets_alone(name):
    X, y = data(TASKS[0])
    options = {"n_trials": 1, "time_budget": None, "cv": 2, "random_state": 0}
    model = AutoClassifier(families=[name], **options).fit(X, y)
    assert model.score(X, y) > np.mean(y) + 0.2
    assert set(model.leaderboard_["family"]) == {name}
