"""Fine-tuning: the deadline, the parts of an epoch, and what is kept."""

import numpy as np
import pytest
from skorch.callbacks import Callback

from automodel.exceptions import DeadlineReached
from automodel.nets._planner import SlowStepPlanner
from automodel.nets._probe import fit_head
from tests.nets.bert.texts import classifier, make_texts

TEXTS, VALUES = make_texts()
CLASSES = (VALUES > 0).astype(int)


def test_no_step_outlasts_the_time():
    left = 100.0
    planner = SlowStepPlanner(1000, lambda: left)
    while planner.advance() < 1:
        left -= 7.0
    assert 0 <= left < 100 * planner.reserve + 2 * 7.0


def test_the_schedule_is_completed_in_the_time():
    left, progress = 100.0, 0.0
    planner = SlowStepPlanner(1000, lambda: left)
    while (now := planner.advance()) < 1:
        assert now > progress
        progress = now
        left -= 2.0
    assert progress > 0.9


def test_without_a_limit_all_steps_are_taken():
    planner = SlowStepPlanner(20)
    assert sum(planner.advance() < 1 for _ in range(30)) == 20


def test_reports_come_after_each_part_of_an_epoch(weights):
    parts = []

    def on_epoch(part, net):
        parts.append(part)
        assert net.predict_proba(TEXTS[:5]).shape == (5, 2)
        return False

    net = classifier(weights, validations_per_epoch=3)
    net._fit(TEXTS, CLASSES, on_epoch=on_epoch)
    assert parts == list(range(1, 7))
    assert len(net.history_["valid_loss"]) == 6


def test_a_search_can_end_the_training(weights):
    net = classifier(weights, validations_per_epoch=3)
    net._fit(TEXTS, CLASSES, on_epoch=lambda part, net: part == 2)
    assert len(net.history_["valid_loss"]) == 2


def test_nothing_is_usable_before_the_head_is_found(weights):
    with pytest.raises(DeadlineReached):
        classifier(weights)._fit(TEXTS, CLASSES, seconds_left=lambda: -1.0)


class Tick(Callback):
    """Let a second go by with each step."""

    def __init__(self, left):
        self.left = left

    def on_batch_begin(self, net, **kwargs):
        self.left[0] -= 1.0


def test_a_training_without_time_for_a_step_is_linear_probing(weights, monkeypatch):
    left = [60.0]

    def slow_fit_head(*args):
        found = fit_head(*args)
        left[0] = 0.0
        return found

    monkeypatch.setattr("automodel.nets._parts.fit_head", slow_fit_head)
    cut = classifier(weights)._fit(TEXTS, CLASSES, seconds_left=lambda: left[0])
    assert cut.n_steps_ == 0
    probed = classifier(weights, layers="head", learning_rate=1e-12)
    probed.fit(TEXTS, CLASSES)
    np.testing.assert_allclose(
        cut.predict_proba(TEXTS), probed.predict_proba(TEXTS), atol=1e-4
    )
    assert cut.score(TEXTS, CLASSES) > 0.8


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("seconds", [12.0, 30.0])
def test_a_training_that_time_has_cut_is_repeated_without_it(
    weights, seconds, early_stopping
):
    options = {"max_epochs": 4, "batch_size": 8, "early_stopping": early_stopping}
    left = [seconds]
    net = classifier(weights, callbacks=[Tick(left)], **options)
    cut = net._fit(TEXTS, CLASSES, seconds_left=lambda: left[0])
    assert cut.step_plan_
    assert left[0] >= 0
    again = classifier(weights, **options)
    again._fit(TEXTS, CLASSES, step_plan=cut.step_plan_)
    assert again.n_steps_ == cut.n_steps_ <= seconds
    np.testing.assert_array_equal(again.predict_proba(TEXTS), cut.predict_proba(TEXTS))
