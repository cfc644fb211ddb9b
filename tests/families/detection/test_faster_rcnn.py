"""Detectors as a family: settings, sizes, cost, reports, deadline, repetition."""

import pickle
from dataclasses import replace

import numpy as np
import optuna
import pytest
from sklearn.base import clone

from automodel.clock import Deadline
from automodel.exceptions import DeadlineReached, TrialPruned
from automodel.families import all_families
from automodel.families.detection._base import canvas_of
from automodel.families.detection.faster_rcnn import (
    FasterRCNNFamily,
    late_stages_of,
    scratch_epochs_of,
)
from automodel.monitor import Monitor
from automodel.nets.image.augment import AUGMENTATIONS
from automodel.nets.weights import find_weights
from automodel.preprocessing.image.images import ImageFacts
from automodel.preprocessing.image.reader import read_images
from automodel.task import Task
from tests.nets.detection.shapes import HEIGHT, SMALL, WIDTH, make_shapes
from tests.tiny_backbone import write_backbone

FAMILY = FasterRCNNFamily()
IMAGES, BOXES = make_shapes(24)
QUICK = {**SMALL, "frozen_epochs": 2, "full_epochs": 2, "score_threshold": 0.0}
needs_torchvision = pytest.mark.skipif(
    bool(FAMILY.missing_libraries()), reason="needs torchvision"
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    found = ()
    for name in ("resnet18", "resnet34"):
        path = write_backbone(folder / f"{name}.safetensors")
        found += find_weights(path, "image")
    return found


def task_of(weights=(), n_samples=300, height=HEIGHT, width=WIDTH, **options):
    facts = options.pop("facts", {})
    heights, widths = ((float(side),) * 5 for side in (height, width))
    return Task(
        "detection",
        n_samples,
        n_outputs=2,
        modality="detection",
        facts=ImageFacts(heights, widths, weights=tuple(weights), **facts),
        **options,
    )


def suggested(task, setting=None, seed=0):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    if setting is not None:
        study.enqueue_trial(setting)
    trial = study.ask()
    return trial, FAMILY.search_space(trial, task)


def test_the_family_is_found():
    assert isinstance(all_families()["faster_rcnn"], FasterRCNNFamily)
    assert pickle.loads(pickle.dumps(FAMILY)).name == "faster_rcnn"


@pytest.mark.parametrize("is_pretrained", [True, False])
@pytest.mark.parametrize("allowed", [AUGMENTATIONS, (), ("crop", "vertical_flip")])
@pytest.mark.parametrize("n_samples", [20, 300, 50_000])
def test_each_setting_of_the_portfolio_is_asked_as_it_is(
    weights, is_pretrained, allowed, n_samples
):
    own = weights if is_pretrained else ()
    task = task_of(own, n_samples, facts={"augmentations": allowed})
    for setting in FAMILY.portfolio(task):
        trial, params = suggested(task, setting)
        assert trial.params == setting
        for key, value in setting.items():
            distribution = trial.distributions[key]
            assert distribution._contains(distribution.to_internal_repr(value))
        clone(FAMILY.estimator(task, 0).set_params(**params))


def test_the_default_is_the_recipe(weights):
    _, params = suggested(task_of(weights), FAMILY.portfolio(task_of(weights))[0])
    net = FAMILY.estimator(task_of(weights), 0).set_params(**params)
    assert (net.frozen_epochs, net.full_epochs, net.batch_size) == (2, 6, 2)
    assert (net.learning_rate, net.full_rate, net.layers) == (2e-3, 0.25, 3)
    assert (net.horizontal_flip, net.vertical_flip, net.crop) == (0.5, 0.5, 0.0)


def test_many_images_have_larger_batches(weights):
    few, many = task_of(weights, 300), task_of(weights, 50_000)
    assert FAMILY.portfolio(few)[0]["batch_size"] == 2
    assert FAMILY.portfolio(many)[0]["batch_size"] == 4


@pytest.mark.parametrize("is_pretrained", [True, False])
def test_the_search_space_gives_parameters_of_the_estimator(weights, is_pretrained):
    task = task_of(weights if is_pretrained else ())
    tried = set()
    for seed in range(40):
        _, params = suggested(task, seed=seed)
        net = FAMILY.estimator(task, 0).set_params(**params)
        net._validate_params()
        assert FAMILY.cost(params, task) > 0
        tried |= {name for name, value in params.items() if value}
    usual = {"crop", "scale", "brightness", "horizontal_flip", "vertical_flip"}
    assert usual | {"pyramid_width", "anchor_sizes", "learning_rate"} <= tried
    assert ("net" in tried) == is_pretrained


def test_only_allowed_changes_are_tried(weights):
    task = task_of(weights, facts={"augmentations": ("crop",)})
    for seed in range(20):
        _, params = suggested(task, seed=seed)
        assert {*params} & {*AUGMENTATIONS} == {"crop"}


def test_a_backbone_is_chosen_by_its_name(weights):
    task = task_of(weights)
    assert FAMILY.weights_of({"net": "resnet34"}, task) == [weights[1]]
    assert FAMILY.weights_of({}, task) == weights[:1]
    nets = [setting["net"] for setting in FAMILY.portfolio(task)]
    assert set(nets) == {"resnet18", "resnet34"}


def test_the_first_stages_may_stay_frozen(weights):
    task = task_of(weights)
    _, params = suggested(task, FAMILY.portfolio(task)[0])
    assert params["layers"] == late_stages_of(weights[0]) == 3
    cost = FAMILY.cost(params, task)
    assert cost < FAMILY.cost({**params, "layers": "all"}, task)
    many = replace(weights[0], channels=(16, 24, 40, 80, 112, 192, 320, 1280))
    assert late_stages_of(many) == 5


def test_the_canvas_has_the_shape_of_the_images():
    assert canvas_of(task_of(height=480, width=640)) == (480, 640)
    assert canvas_of(task_of(height=10, width=900)) == (360, 900)
    heights, widths = (375.0, 375.0, 375.0, 500.0, 500.0), (300.0,) + (500.0,) * 4
    task = task_of()
    facts = ImageFacts(heights, widths)
    mixed = Task("detection", 9, n_outputs=2, modality="detection", facts=facts)
    assert canvas_of(mixed) == (500, 500)
    assert canvas_of(task) == (HEIGHT, WIDTH)


def test_images_are_not_enlarged_much(weights):
    sides = FAMILY.encodings(task_of(weights, height=100, width=150))
    assert sides == [200]
    sides = FAMILY.encodings(task_of(weights, height=480, width=640))
    assert sides[0] == 320
    assert set(sides) == {320, 256, 416, 512}


def test_the_size_of_the_user_is_taken(weights):
    task = task_of(weights, height=480, width=640, facts={"image_size": 224})
    assert FAMILY.encodings(task) == [224]


def test_in_little_time_images_are_smaller(weights):
    sides = [
        FAMILY.encodings(
            task_of(weights, height=480, width=640, time_budget=budget, is_slow=True)
        )[0]
        for budget in (20.0, 3600.0)
    ]
    assert sides[0] < sides[1] == 320


def test_folds_are_drawn_if_there_is_time(weights):
    sides = {"height": 480, "width": 640}
    assert FAMILY.is_slow(task_of(weights, time_budget=60.0, **sides))
    assert not FAMILY.is_slow(task_of(weights, time_budget=1e5, **sides))
    assert FAMILY.is_slow(task_of(weights, **sides))


@pytest.mark.parametrize("is_pretrained", [True, False])
def test_the_cost_grows(weights, is_pretrained):
    own = weights if is_pretrained else ()
    task, more = task_of(own), task_of(own, n_samples=3000)
    _, params = suggested(task, FAMILY.portfolio(task)[0])
    cost = FAMILY.cost(params, task)
    assert 0 < cost < FAMILY.cost(params, more)
    assert cost < FAMILY.cost({**params, "short_side": 512}, task)
    assert cost < FAMILY.cost({**params, "full_epochs": 99}, task)
    assert cost < FAMILY.cost({**params, "pyramid_width": 128}, task)


def test_fewer_images_are_seen_more_often_from_scratch():
    epochs = [scratch_epochs_of(task_of(n_samples=n)) for n in (20, 500, 90_000)]
    assert epochs == [60, 30, 10]


def test_facts_of_another_modality_are_not_read(weights):
    assert FAMILY.supports(task_of(weights))
    assert not FAMILY.supports(Task("detection", 9, n_outputs=2, modality="image"))
    other = Task("binary", 9, n_outputs=2, modality="detection", facts=None)
    assert not FAMILY.supports(other)


def fit(weights, monitor=None, rows=slice(None), seed=0, **params):
    task = task_of(weights)
    net = FAMILY.estimator(task, seed).set_params(**QUICK | params)
    encoder = FAMILY.preprocessor(net, task)
    encoder.set_params(short_side=64)
    X = encoder.transform(read_images(IMAGES))
    return FAMILY.fit(net, X[rows], BOXES[rows], monitor=monitor or Monitor()), X


def watched(X, **options):
    def score(net):
        return float(net.predict(X[18:]).scores.mean())

    return Monitor(valid=(X[18:], BOXES[18:], None), score=score, **options)


@pytest.fixture(scope="module")
def fitted(weights):
    return fit(weights)


@needs_torchvision
def test_steps_are_epochs(weights, fitted):
    monitor = Monitor()
    net, X = fit(weights, monitor)
    assert monitor.steps_used == 4
    assert monitor.step_plan_used == [2, 2]
    np.testing.assert_array_equal(net.predict(X).scores, fitted[0].predict(X).scores)


@needs_torchvision
@pytest.mark.parametrize(("n_epochs", "phases"), [(1, (1, 0)), (3, (2, 1))])
def test_a_refit_trains_the_epochs_it_is_told(weights, n_epochs, phases):
    monitor = Monitor(n_iterations=n_epochs)
    net, _ = fit(weights, monitor)
    assert (net.frozen_epochs, net.full_epochs) == phases
    assert monitor.steps_used == n_epochs


@needs_torchvision
def test_scores_are_reported_within_the_training(fitted, weights):
    _, X = fitted
    reports = {}
    monitor = watched(X, should_prune=lambda _: False, reports=reports)
    fit(weights, monitor, rows=slice(18))
    assert 2 <= len(reports) <= 4
    assert min(reports) >= 4  # not before the detector has learned something


@needs_torchvision
def test_a_pruned_trial_leaves_the_fit_as_trial_pruned(fitted, weights):
    monitor = watched(fitted[1], should_prune=lambda _: True)
    with pytest.raises(TrialPruned):
        fit(weights, monitor, rows=slice(18))


@needs_torchvision
def test_a_past_deadline_ends_the_fit(weights):
    with pytest.raises(DeadlineReached):
        fit(weights, Monitor(Deadline.after(-1.0)))


class HurriedMonitor(Monitor):
    """Its time goes by look, not by clock: a training is cut in any case."""

    def __init__(self, n_looks):
        super().__init__(Deadline.after(3600.0))
        self.n_left = n_looks

    @property
    def seconds_left(self):
        self.n_left -= 1
        return 1e-3 * max(self.n_left, -1)


@needs_torchvision
@pytest.mark.parametrize("n_looks", [16, 40])
def test_a_training_that_time_has_cut_is_repeated_without_it(weights, n_looks):
    hurried = HurriedMonitor(n_looks)
    cut, X = fit(weights, hurried, full_epochs=9)
    plan = hurried.step_plan_used
    assert len(plan) > 2
    again, _ = fit(weights, Monitor(n_iterations=9, step_plan=plan))
    assert again.n_steps_ == cut.n_steps_ < 66
    np.testing.assert_array_equal(again.predict(X).scores, cut.predict(X).scores)


@needs_torchvision
def test_a_detector_of_very_few_steps_is_of_no_use(weights):
    with pytest.raises(DeadlineReached):
        fit(weights, HurriedMonitor(8))


@needs_torchvision
def test_a_net_from_scratch_is_fitted():
    net, X = fit((), backbone_width=8, full_epochs=1, frozen_epochs=0)
    assert len(net.predict(X)) == 24
