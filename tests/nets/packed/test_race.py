"""Judging members: nothing that is chosen for a fold comes from its own rows."""

import itertools

import numpy as np
import pytest
import torch

from automodel.nets._objective import regressor_objective
from automodel.nets.packed._race import (
    ClassJudge,
    LabelJudge,
    Race,
    ValueJudge,
    deciding_folds,
    folds_apart,
)

N_MEMBERS, N_FOLDS, N_ROWS, N_OUTPUTS = 5, 3, 40, 3
KINDS = ["classes", "labels", "values"]
each_kind = pytest.mark.parametrize("kind", KINDS)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def make_target(kind, seed=0):
    shape = (N_FOLDS, N_ROWS)
    if kind == "classes":
        return torch.randint(N_OUTPUTS, shape, generator=seeded(seed))
    target = torch.randn(*shape, N_OUTPUTS, generator=seeded(seed))
    return target if kind == "values" else (target > 0).float()


def make_judge(kind, target, weight=None, apart=None):
    weight = torch.ones(target.shape[:2]) if weight is None else weight
    apart = folds_apart([None] * len(target)) if apart is None else apart
    if kind == "values":
        loss = regressor_objective("squared_error", 0.5)
        return ValueJudge(target, weight, apart, loss)
    return (ClassJudge if kind == "classes" else LabelJudge)(target, weight, apart)


def make_epochs(target, n_epochs=8, n_members=N_MEMBERS):
    """Return outputs that get better and worse again, each net at its own time."""
    if target.ndim == 2:
        target = torch.nn.functional.one_hot(target, N_OUTPUTS)
    signal = 2.0 * target - target.float().mean()
    draw = seeded(7)
    shape = (n_members, len(target), target.shape[1], N_OUTPUTS)
    best = 1 + n_epochs * torch.rand(shape[:2], generator=draw)[..., None, None]
    return [
        signal / (1 + 0.3 * (epoch - best).abs()) + torch.randn(shape, generator=draw)
        for epoch in range(1, n_epochs + 1)
    ]


def run(judge, epochs, patience=100):
    race = Race(judge, len(epochs[0]), patience)
    for epoch, outputs in enumerate(epochs, 1):
        race.judge(epoch, outputs)
    return race


@each_kind
@pytest.mark.parametrize("fold", range(N_FOLDS))
def test_what_is_chosen_for_a_fold_ignores_its_own_targets(kind, fold):
    target = make_target(kind)
    epochs = make_epochs(target)
    changed = target.clone()
    changed[fold] = make_target(kind, seed=1)[fold]
    one, two = (run(make_judge(kind, y), epochs) for y in (target, changed))
    assert torch.equal(one.best_epochs[:, fold], two.best_epochs[:, fold])
    assert torch.equal(one.factors[:, fold], two.factors[:, fold])
    assert torch.equal(one.weights(fold), two.weights(fold))
    others = [i for i in range(N_FOLDS) if i != fold]
    assert not torch.equal(one.best_epochs[:, others], two.best_epochs[:, others])
    assert one.loss() != two.loss()


@each_kind
def test_a_fold_of_its_own_is_judged_by_its_rows(kind):
    target = make_target(kind)[:1]
    race = run(make_judge(kind, target), make_epochs(target))
    best = torch.tensor(race.losses).argmin(1) + 1
    assert race.best_epochs[:, 0].tolist() == best.tolist()
    assert race.weights(0).sum() == pytest.approx(1)


def test_an_epoch_is_the_best_for_the_other_folds():
    target = make_target("values")
    epochs = make_epochs(target)
    race = run(make_judge("values", target), epochs)
    losses = torch.stack([(e - target).square().mean((2, 3)) for e in epochs])
    for fold in range(N_FOLDS):
        others = [i for i in range(N_FOLDS) if i != fold]
        best = losses[:, :, others].sum(2).argmin(0) + 1
        assert race.best_epochs[:, fold].tolist() == best.tolist()


def test_epochs_that_weights_are_judged_by_are_chosen_by_the_folds_left():
    decide = deciding_folds(folds_apart([None] * 4)).tolist()
    for chosen, nets in itertools.product(range(4), repeat=2):
        expected = [fold not in (chosen, nets) for fold in range(4)]
        assert decide[chosen][nets] == expected
    assert deciding_folds(folds_apart([None] * 2))[0].tolist() == [[False, True]] * 2
    assert deciding_folds(folds_apart([None])).tolist() == [[[True]]]


def test_folds_that_share_rows_do_not_decide_for_each_other():
    repeats = [np.array(rows) for rows in ([0, 1], [2, 3], [4, 5], [0, 2], [1, 4])]
    apart = folds_apart(repeats)
    assert apart[0].tolist() == [False, True, True, False, False]
    decide = deciding_folds(apart)
    assert not (decide & ~apart[:, None]).any()
    assert decide[0, 1].tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("n_folds", [2, 3, 4])
def test_no_fold_decides_for_itself_where_each_has_another_apart(n_folds):
    pairs = list(itertools.combinations(range(n_folds), 2))
    for flags in itertools.product([False, True], repeat=len(pairs)):
        apart = torch.zeros(n_folds, n_folds, dtype=torch.bool)
        for (one, two), flag in zip(pairs, flags, strict=True):
            apart[one, two] = apart[two, one] = flag
        if not apart.any(1).all():
            continue
        decide = deciding_folds(apart)
        assert decide.any(-1).all()
        assert not (decide & ~apart[:, None]).any()


@pytest.mark.parametrize("kind", ["classes", "labels", "values"])
def test_what_repeated_folds_choose_does_not_know_their_rows(kind):
    target, other = make_target(kind), make_target(kind, seed=1)
    rows = [np.arange(N_ROWS) + N_ROWS * i for i in range(N_FOLDS)]
    apart = folds_apart([*rows, *rows])
    epochs = [torch.cat([e, e], 1) for e in make_epochs(target)]
    chosen = []
    for first in (target[0], other[0]):
        own = torch.cat([first[None], target[1:]])
        race = run(make_judge(kind, torch.cat([own, own]), apart=apart), epochs)
        kept = race.best_epochs, race.factors, race.weights(0)[:, None]
        chosen.append([values[:, 0] for values in kept])
    for one, two in zip(*chosen, strict=True):
        assert torch.equal(one, two)


def test_weights_are_chosen_by_nets_that_did_not_choose_their_epoch():
    target = make_target("values")
    epochs = make_epochs(target)
    race = run(make_judge("values", target), epochs)
    losses = torch.stack([(e - target).square().mean((2, 3)) for e in epochs])
    for fold, nets in itertools.permutations(range(N_FOLDS), 2):
        (left,) = {*range(N_FOLDS)} - {fold, nets}
        best = losses[:, :, left].argmin(0)
        for member, epoch in enumerate(best):
            judged = race._judged[member, fold, nets]
            assert torch.equal(judged, epochs[epoch][member, nets])


@pytest.mark.parametrize("kind", ["classes", "labels"])
def test_a_factor_is_the_best_for_the_other_folds(kind):
    target = make_target(kind)
    judge = make_judge(kind, target)
    outputs = 3 * make_epochs(target)[0]
    factors = torch.ones(N_MEMBERS, N_FOLDS)
    for _ in range(20):
        losses, factors = judge.judge(outputs, factors)
    own = losses.diagonal(dim1=1, dim2=2)
    others = losses.sum(2) - own
    for change in (0.9, 1.1):
        worse, prior = [], 0.5 * judge.prior
        for fold, factor in enumerate((factors * change).unbind(1)):
            moved = outputs * factor.view(-1, 1, 1, 1)
            loss = of_rows(kind, moved, target)
            loss[:, fold] = 0
            worse.append(loss.sum((1, 2)) + prior * (factor - 1) ** 2)
        assert (torch.stack(worse, 1) > others + prior * (factors - 1) ** 2).all()
    assert (factors < 1).all()
    moved = outputs * factors[..., None, None]
    torch.testing.assert_close(own, of_rows(kind, moved, target).sum(2))


def of_rows(kind, outputs, target):
    """Return the log loss of each row."""
    if kind == "labels":
        log_odds = torch.where(target > 0.5, outputs, -outputs)
        return torch.nn.functional.softplus(-log_odds).mean(-1)
    true = target.expand(outputs.shape[:3]).unsqueeze(-1)
    return -outputs.log_softmax(-1).gather(-1, true)[..., 0]


@each_kind
@pytest.mark.parametrize("fold", [None, 0, 2])
def test_weights_sum_to_one_and_are_no_worse_than_the_best_member(kind, fold):
    target = make_target(kind)
    race = run(make_judge(kind, target), make_epochs(target))
    weights = race.weights(fold)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    judged = race._own() if fold is None else race._judged[:, fold]
    rows = torch.ones(N_FOLDS, N_ROWS, dtype=torch.bool)
    if fold is not None:
        rows[fold] = False
    mixed = torch.einsum("m,mrt->rt", weights, judged[:, rows])[None]
    alone = race.referee.mixture_losses(judged[:, rows], rows)
    assert race.referee.mixture_losses(mixed, rows)[0] <= alone.min() * (1 + 1e-6)


@each_kind
def test_the_loss_is_that_of_each_fold_with_weights_of_the_others(kind):
    target = make_target(kind)
    epochs = make_epochs(target)
    race = run(make_judge(kind, target), epochs)
    total = 0.0
    for fold in range(N_FOLDS):
        mixed = 0
        for member, weight in enumerate(race.weights(fold)):
            epoch = race.best_epochs[member, fold]
            output = epochs[epoch - 1][member, fold] * race.factors[member, fold]
            if kind == "classes":
                output = output.softmax(-1)
            elif kind == "labels":
                output = output.sigmoid()
            mixed = mixed + weight * output
        true = target[fold]
        if kind == "classes":
            total -= mixed.gather(1, true[:, None]).log().sum()
        elif kind == "labels":
            total -= torch.where(true > 0.5, mixed, 1 - mixed).log().mean(1).sum()
        else:
            total += (mixed - true).square().mean(1).sum()
    assert race.loss() == pytest.approx(float(total) / (N_FOLDS * N_ROWS), rel=1e-4)


@each_kind
def test_padding_and_rows_without_weight_change_nothing(kind):
    target = make_target(kind)
    epochs = make_epochs(target)
    weight = torch.ones(N_FOLDS, N_ROWS)
    weight[:, 30:] = 0
    padded = run(make_judge(kind, target, weight), epochs)
    short = run(make_judge(kind, target[:, :30]), [e[:, :, :30] for e in epochs])
    assert torch.equal(padded.best_epochs, short.best_epochs)
    torch.testing.assert_close(padded.factors, short.factors)
    assert padded.loss() == pytest.approx(short.loss(), rel=1e-5)
    for fold in range(N_FOLDS):
        torch.testing.assert_close(padded.weights(fold), short.weights(fold))


@each_kind
def test_weights_of_rows_count(kind):
    target = make_target(kind)
    epochs = make_epochs(target)
    twice = torch.cat([target, target[:, :10]], 1)
    weight = torch.ones(N_FOLDS, N_ROWS)
    weight[:, :10] = 2
    weighed = run(make_judge(kind, target, weight), epochs)
    repeated = [torch.cat([e, e[:, :, :10]], 2) for e in epochs]
    doubled = run(make_judge(kind, twice), repeated)
    assert torch.equal(weighed.best_epochs, doubled.best_epochs)
    assert weighed.loss() == pytest.approx(doubled.loss(), rel=0.02)


@each_kind
def test_a_fold_whose_rows_weigh_nothing_does_no_harm(kind):
    target = make_target(kind)[:2]
    weight = torch.ones(2, N_ROWS)
    weight[1] = 0
    race = run(make_judge(kind, target, weight), make_epochs(target))
    assert race.weights(0).sum() == pytest.approx(1)
    assert race.weights(1).sum() == pytest.approx(1)
    assert 0 < race.loss() < 10


@each_kind
@pytest.mark.parametrize("first", [1, 4])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_member_that_diverges_leaves_and_harms_nobody(kind, first, bad):
    target = make_target(kind)
    epochs = make_epochs(target)
    sane = [0, 2, 3, 4]
    alone = run(make_judge(kind, target), [e[sane] for e in epochs])
    race = Race(make_judge(kind, target), N_MEMBERS, patience=100)
    for epoch, outputs in enumerate(epochs, 1):
        outputs = outputs.clone()
        if epoch >= first:  # in one of its nets is enough
            outputs[1, 2] = bad
        improved = race.judge(epoch, outputs[race.running])
        kept = race.stop(epoch)
        if epoch == first:
            assert kept == [True, False, True, True, True]
            assert not improved[1].any()
    assert race.running == sane
    assert torch.equal(race.best_epochs[sane], alone.best_epochs)
    torch.testing.assert_close(race.factors[sane], alone.factors)
    assert (race.best_epochs[1] < first).all()
    for fold in [None, *range(N_FOLDS)]:
        weights = race.weights(fold)
        assert weights.isfinite().all()
        if first == 1:
            assert weights[1] == 0
            torch.testing.assert_close(weights[sane], alone.weights(fold))
    assert race.loss() < torch.inf


@each_kind
def test_without_one_sane_member_nobody_goes_on(kind):
    target = make_target(kind)
    race = run(
        make_judge(kind, target), [torch.full_like(make_epochs(target)[0], torch.nan)]
    )
    assert race.stop(1) == [False] * N_MEMBERS
    assert race.losses == [[torch.inf]] * N_MEMBERS


@each_kind
def test_members_stop_by_themselves_when_they_lose_patience(kind):
    target = make_target(kind)
    first = make_epochs(target)[0]
    race = Race(make_judge(kind, target), N_MEMBERS, patience=3)
    stopped = {}
    for epoch in range(1, 9):
        outputs = first + 0.5 * epoch * torch.randn(first.shape, generator=seeded(1))
        outputs[0] = first[0] + epoch  # any other than before
        if kind == "values":
            outputs[4] = target + 1 / epoch
        elif kind == "labels":
            outputs[4] = epoch * (2 * target - 1)
        else:
            outputs[4] = epoch * torch.nn.functional.one_hot(target, N_OUTPUTS)
        race.judge(epoch, outputs[race.running])
        before = list(race.running)
        kept = race.stop(epoch)
        assert race.running == list(itertools.compress(before, kept))
        stopped |= {m: epoch for m in before if m not in race.running}
    assert race.running == [4]
    for member, epoch in stopped.items():
        curve = race.losses[member]
        assert len(curve) == epoch
        assert epoch - (curve.index(min(curve)) + 1) == 3


@each_kind
def test_survivors_are_first_those_of_the_ensemble_then_the_best(kind):
    target = make_target(kind)
    race = run(make_judge(kind, target), make_epochs(target))
    weights = race.weights()
    order = sorted(range(N_MEMBERS), key=lambda m: (-weights[m], min(race.losses[m])))
    kept = race.stop(8, most=2)
    assert sorted(order[:2]) == race.running
    assert sum(kept) == 2
    assert race.stop(8, most=4) == [True, True]


def test_members_that_left_can_still_be_in_the_ensemble():
    target = make_target("values")
    race = Race(make_judge("values", target), 2, patience=100)
    good = torch.stack([target + 0.1, target + 3])
    race.judge(1, good)
    race.running = [1]
    race.judge(2, good[1:] + 1)
    assert race.weights().tolist() == [1, 0]
    assert race.best_epochs.tolist() == [[1] * N_FOLDS] * 2
