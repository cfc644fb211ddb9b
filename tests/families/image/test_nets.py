"""Nets for images as families: spaces, sizes, cost, reports, repetition."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import optuna
import pytest

from automodel import AutoImageClassifier
from automodel.exceptions import TrialPruned
from automodel.families._net import step_of
from automodel.families.image import resnet
from automodel.families.image._nets import n_splits_of
from automodel.families.image.finetune import ImageFinetuneFamily, layers_of
from automodel.families.image.resnet import (
    ImageResNetFamily,
    depths_of,
    epochs_of,
    widths_of,
)
from automodel.monitor import Monitor
from automodel.nets import ImageResNetClassifier, TabMClassifier
from automodel.nets.image.augment import AUGMENTATIONS
from automodel.nets.weights import find_weights
from automodel.preprocessing.image.images import ImageFacts
from automodel.search.pruning import ForgivingPruner
from automodel.targets.objective import Objective
from automodel.task import Task
from tests.images import make_images, make_labels
from tests.nets.image.images import make_images as make_squares
from tests.tiny_backbone import write_backbone

FAMILIES = [ImageResNetFamily(), ImageFinetuneFamily()]
IMAGES, VALUES = make_images(160)
X = np.repeat(IMAGES[..., None], 3, 3)
Y = (VALUES > 0).astype(int)
SMALL = {
    "image_resnet": {"width": 4, "max_epochs": 6},
    "image_finetune": {"layers": 1, "max_epochs": 1},
}
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda own: own.name)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return find_weights(write_backbone(folder / "resnet8.safetensors"), "image")


def task_of(kind, weights, n_samples=160, side=12, facts=None, **options):
    n_classes = {"binary": 2, "multiclass": 3}.get(kind, 0)
    several = 2 if kind in ("multilabel", "multioutput") else 1
    sides = (float(side),) * 5
    return Task(
        kind,
        n_samples,
        n_outputs=n_classes or several,
        n_classes=n_classes,
        modality="image",
        facts=ImageFacts(sides, sides, weights=weights, **(facts or {})),
        **options,
    )


def fit(family, weights, monitor=None, **params):
    net = family.estimator(task_of("binary", weights), 0)
    net.set_params(**SMALL[family.name] | params)
    return family.fit(net, X[:120], Y[:120], monitor=monitor or Monitor())


def watched(**options):
    def score(net):
        return float(np.mean(net.predict(X[120:]) == Y[120:]))

    return Monitor(valid=(X[120:], Y[120:], None), score=score, **options)


@each_family
def test_only_allowed_changes_are_tried(weights, family):
    allowed = ("rotate", "mixup")
    task = task_of("binary", weights, facts={"augmentations": allowed})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    tried = set()
    for _ in range(300):
        tried |= {*family.search_space(study.ask(), task)} & {*AUGMENTATIONS}
    assert tried == {*allowed}
    task = task_of("binary", weights, facts={"augmentations": ()})
    assert not {*family.search_space(study.ask(), task)} & {*AUGMENTATIONS}


@each_family
def test_all_changes_are_tried(weights, family):
    task = task_of("binary", weights)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    tried = set()
    for _ in range(300):
        params = family.search_space(study.ask(), task)
        tried |= {*params}
        assert "mixup" not in params or params["max_epochs"] >= 20
        assert not params.get("flip_average") or params["horizontal_flip"]
    assert {*AUGMENTATIONS} <= tried


@each_family
def test_flips_have_to_prove_themselves_unless_the_user_names_them(weights, family):
    task = task_of("binary", weights)
    assert family.estimator(task, 0).guard_flips
    named = task_of("binary", weights, facts={"guards_flips": False})
    assert not family.estimator(named, 0).guard_flips


@each_family
def test_sizes_suit_the_images(weights, family):
    for side in (1, 8, 28, 32, 100, 500, 5000):
        task = task_of("binary", weights, side=side)
        sizes = family.encodings(task)
        assert len(set(sizes)) == len(sizes) >= 1
        assert max(sizes) <= 256
        assert family.preprocessor(None, task).size == sizes[0]
    assert family.encodings(task_of("binary", weights, facts={"image_size": 50})) == [
        50
    ]


def test_resnets_see_small_images_as_they_are():
    family = ImageResNetFamily()
    sizes = {
        side: list(family.encodings(task_of("binary", (), side=side)))
        for side in (8, 28, 32, 227)
    }
    assert sizes == {8: [16], 28: [28, 56], 32: [32, 64], 227: [64, 128, 32]}


def test_pretrained_nets_see_photographs_in_a_larger_size(weights):
    family = ImageFinetuneFamily()
    assert family.encodings(task_of("binary", weights, side=32))[0] == 96
    assert family.encodings(task_of("binary", weights, side=500))[0] == 128
    assert max(family.encodings(task_of("binary", weights, side=8))) <= 64


def test_sizes_that_take_too_long_are_not_tried(weights):
    family = ImageFinetuneFamily()
    task = task_of("binary", weights, 320, side=227, time_budget=300.0)
    assert list(family.encodings(task)) == [128, 96, 64]
    assert len(family.encodings(replace(task, time_budget=36_000.0))) == 5


@each_family
def test_cost_grows_with_what_makes_a_fit_long(weights, family):
    task = task_of("binary", weights, 1000, side=32)
    base = family.portfolio(task)[0]
    cost = family.cost(base, task)
    assert family.cost({**base, "max_epochs": 500}, task) > 3 * cost
    assert family.cost(base, replace(task, n_samples=2000)) > 1.9 * cost
    assert family.cost({**base, "size": 160}, task) > 2 * cost


def test_cost_of_the_parts_of_nets(weights):
    task = task_of("binary", weights, 1000, side=32)
    resnet, finetune = FAMILIES
    default = resnet.portfolio(task)[0]
    assert resnet.cost({**default, "width": 64}, task) > 3 * resnet.cost(default, task)
    deep = resnet.cost({**default, "depth": 50}, task)
    assert deep > resnet.cost({**default, "depth": 18}, task)
    default = finetune.portfolio(task)[0]
    last = {**default, "layers": layers_of(task)[-1]}
    assert finetune.cost(last, task) < 0.8 * finetune.cost(default, task)


def test_fewer_images_are_learned_in_more_epochs():
    epochs = [epochs_of(task_of("binary", (), n)) for n in (10, 4000, 10**6)]
    assert epochs == [60, 30, 10]


def test_deep_and_wide_nets_are_tried_if_there_is_time():
    short = task_of("binary", (), 2000, side=32, time_budget=60.0)
    long = replace(short, time_budget=36_000.0)
    assert depths_of(short) == [9]
    assert depths_of(long) == [9, 18, 34, 50]
    widths = [ImageResNetFamily().portfolio(t)[0]["width"] for t in (short, long)]
    assert widths == [16, 32]
    assert [widths_of(task) for task in (short, long)] == [[16, 32], [16, 32, 64]]


def test_proven_settings_of_the_usual_size_come_first_if_time_is_short():
    family = ImageResNetFamily()
    short = task_of("binary", (), 5000, side=32, time_budget=600.0)
    assert list(family.encodings(short)) == [32]
    assert list(family.encodings(replace(short, time_budget=36_000.0))) == [32, 64]
    assert [setting["width"] for setting in family.portfolio(short)] == [16, 32, 16]


def test_a_search_tries_resnets_by_default_if_they_are_learned_in_time():
    family = ImageResNetFamily()

    def pays(seconds, n_samples=5000):
        task = task_of("binary", (), n_samples, side=32, time_budget=seconds)
        return family.pays(task), family.is_slow(task)

    assert pays(5.0) == (False, False)
    assert pays(100.0) == (True, True)  # in a single split
    assert pays(5000.0) == (True, False)
    assert not family.pays(task_of("binary", ()))  # a trial would take minutes


def test_few_images_are_learned_if_there_is_time_for_all_folds():
    sizes = (400, 1000, 5000)
    assert [n_splits_of(task_of("binary", (), n)) for n in sizes] == [10, 5, 1]
    family = ImageResNetFamily()
    task = task_of("binary", (), 400, side=32, time_budget=30.0)
    assert not family.pays(task)
    assert family.pays(replace(task, time_budget=100.0))
    assert family.pays(replace(task, n_samples=2001, time_budget=60.0))


@each_family
def test_each_worker_loads_torch_if_there_is_much_time(weights, family):
    task = task_of("binary", weights)
    tasks = [task, *(replace(task, time_budget=seconds) for seconds in (30.0, 600.0))]
    libraries = [family.resources(own).library for own in tasks]
    assert libraries == ["torch", "torch", ""]


def test_fine_tuning_needs_weights_and_enough_images(weights):
    family = ImageFinetuneFamily()
    task = task_of("binary", weights, 2000, side=32, time_budget=3600.0)
    assert family.supports(task)
    assert family.pays(task)
    assert not family.pays(replace(task, n_samples=50))
    assert not family.supports(task_of("binary", ()))
    assert not family.supports(replace(task, modality="text"))
    assert family.estimator(task, 0).weights == weights[0]


@each_family
def test_a_search_without_a_clock_is_the_same_on_any_processor(weights, family):
    assert family.estimator(task_of("binary", weights), 0).precision == "float32"
    timed = task_of("binary", weights, time_budget=300.0)
    assert family.estimator(timed, 0).precision == "auto"


@each_family
def test_the_objective_fixes_the_loss(weights, family):
    task = task_of("regression", weights, objective=Objective("absolute_error"))
    assert family.estimator(task, 0).loss == "absolute_error"
    assert all("loss" not in setting for setting in family.portfolio(task))


LOADED = """
import sys
from automodel.families.image.resnet import ImageResNetFamily
from automodel.preprocessing.image.images import ImageFacts
from automodel.task import Task
facts = ImageFacts((8.0,) * 5, (8.0,) * 5)
task = Task("binary", 90, n_outputs=2, n_classes=2, modality="image", facts=facts)
family = ImageResNetFamily()
family.preprocessor(family.estimator(task, 0), task)
assert {"torch", "skorch"} <= {*sys.modules}
"""


def test_slow_libraries_are_loaded_before_the_time_of_a_fold_begins():
    command = [sys.executable, "-c", LOADED]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@each_family
def test_parts_of_an_epoch_are_reported(weights, family):
    reports = {}
    options = {"validations_per_epoch": 4}
    monitor = watched(should_prune=reports.update)
    fit(family, weights, monitor, **options)
    assert len(reports) >= 3


@pytest.mark.parametrize("max_epochs", [2, 5, 30])
def test_short_and_long_trainings_are_compared_after_half_of_each(max_epochs):
    net = ImageResNetClassifier(max_epochs=max_epochs, validations_per_epoch=2)
    assert step_of(max_epochs, net) == 2 ** ForgivingPruner().first_slot
    assert step_of(1, net) >= 1
    assert step_of(7, TabMClassifier()) == 7


@each_family
def test_a_pruned_trial_leaves_the_fit_as_trial_pruned(weights, family):
    monitor = watched(should_prune=lambda reports: len(reports) == 2)
    with pytest.raises(TrialPruned):
        fit(family, weights, monitor, validations_per_epoch=4)


@each_family
def test_a_training_is_repeated_by_its_plan(weights, family):
    monitor = Monitor()
    first = fit(family, weights, monitor)
    assert monitor.steps_used == first.n_iter_ >= 1
    cut = fit(family, weights, Monitor(step_plan=[2, [0, 4]]))
    assert cut.n_steps_ == 4


@each_family
def test_a_search_may_be_of_it_alone(weights, family, monkeypatch):
    monkeypatch.setattr(resnet, "LEARNED_IMAGES", 3200)  # twenty epochs
    options = {"n_trials": 1, "time_budget": None, "cv": 2, "random_state": 0}
    search = AutoImageClassifier(
        weights=weights[0].folder, families=[family.name], image_size=16, **options
    )
    images, values = make_squares(160)
    y = make_labels(values)
    search.fit(images, y)
    assert search.score(images, y) > 0.8
    assert set(search.leaderboard_["family"]) == {family.name}


def test_pretrained_weights_come_before_resnets_unless_there_is_much_time(weights):
    family = ImageResNetFamily()

    def pays(seconds, grey_share, own=weights):
        facts = {"grey_share": grey_share}
        return family.pays(
            task_of("binary", own, 5000, 32, facts=facts, time_budget=seconds)
        )

    assert [pays(seconds, 0.0) for seconds in (300.0, 900.0, 3600.0)] == [0, 0, 1]
    assert [pays(seconds, 1.0) for seconds in (300.0, 900.0, 3600.0)] == [0, 1, 1]
    assert pays(300.0, 0.0, own=())
    task = task_of("binary", weights, 5000, side=32, time_budget=100.0)
    assert not family.is_slow(task)
