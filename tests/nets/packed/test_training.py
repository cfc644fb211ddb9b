"""The training of a pack: what is kept, who goes on, when it ends."""

import math

import pytest
import torch

from automodel.nets._objective import regressor_objective
from automodel.nets._recipe import Hooks, Recipe
from automodel.nets.packed import _training
from automodel.nets.packed._batches import tensors_of
from automodel.nets.packed._members import Inputs, Member, grouped
from automodel.nets.packed._module import Pack
from automodel.nets.packed._race import Race, ValueJudge, folds_apart
from automodel.nets.packed._rows import FoldRows
from automodel.nets.packed._training import PackLoss, outputs_of, train_pack

INPUTS = Inputs(3, 3, ())
OBJECTIVE = regressor_objective("squared_error", 0.5)
MEMBERS = [
    Member(1, 8, "silu"),
    Member(2, 8, "silu", learning_rate=2.0),
    Member(2, 8, "relu", 0.1, 0.1),
    Member(1, 8, "relu", 0.1, 0.3, 0.5),
    Member(3, 6, "selu"),
]


def make_rows(n_rows, seed, n_folds=2, scale=1.0):
    draw = torch.Generator().manual_seed(seed)
    folds = []
    for _ in range(n_folds):
        dense = torch.randn(n_rows, 3, generator=draw)
        target = scale * torch.sin(2 * dense[:, :1]) * dense[:, 1:2]
        codes = torch.zeros(n_rows, 0, dtype=torch.int64)
        weight = torch.ones(n_rows)
        folds.append(tuple(v.numpy() for v in (dense, codes, target, weight)))
    return FoldRows.padded(folds)


def run(
    members=MEMBERS,
    n_epochs=12,
    patience=100,
    n_finalists=2,
    lr=0.05,
    scale=1.0,
    **hooks,
):
    rows, valid = make_rows(60, 0, scale=scale), make_rows(40, 1, scale=scale)
    pack = Pack(grouped(members), 2, INPUTS, 1)
    target, weight = tensors_of(valid, "cpu")[2:]
    judge = ValueJudge(target, weight, folds_apart([None] * 2), OBJECTIVE)
    race = Race(judge, len(members), patience)
    recipe = Recipe(
        learning_rate=lr,
        weight_decay=0.01,
        schedule="coslog",
        batch_size=20,
        max_epochs=n_epochs,
        patience=patience,
        device="cpu",
        seed=3,
        verbose=0,
    )
    trained = train_pack(
        pack, rows, valid, race, OBJECTIVE, recipe, Hooks(**hooks), n_finalists
    )
    return pack, valid, trained


def test_the_weights_kept_are_those_of_the_best_epochs():
    outputs = {}

    def note(epoch, race):
        outputs[epoch] = race

    pack, valid, trained = run(n_finalists=5, on_epoch=note)
    state = {
        f"groups.{g}.{name}": value
        for g, member in enumerate(pack.members)
        for name, value in trained.states[g].items()
        if member
    }
    alone = Pack([[m] for m in pack.members], 2, INPUTS, 1)
    alone.load_state_dict(state)
    said = outputs_of(alone, *tensors_of(valid, "cpu")[:2])
    judged = trained.race._own()
    torch.testing.assert_close(said, judged, rtol=1e-4, atol=1e-5)
    assert trained.n_epochs == 12
    assert trained.n_steps == 36
    assert trained.race.best_epochs.max() <= 12


def test_members_leave_at_the_ends_of_cycles():
    running = []
    run(
        n_epochs=30,
        n_finalists=2,
        on_epoch=lambda epoch, race: running.append(len(race.running)),
    )
    ends = [i + 1 for i in range(29) if running[i + 1] < running[i]]
    assert ends == [2, 6, 14]
    assert running[-1] == 2


def test_as_many_finalists_as_members_all_stay():
    *_, trained = run(n_finalists=9)
    assert [len(curve) for curve in trained.race.losses] == [12] * 5


def test_training_ends_when_all_have_lost_patience():
    *_, trained = run(n_epochs=400, patience=2, lr=0.2)
    assert trained.n_epochs < 400
    assert not trained.race.running


def test_training_repeats():
    one, two = (run()[2] for _ in range(2))
    assert len(one.states) == len(MEMBERS)
    for a, b in zip(one.states, two.states, strict=True):
        assert a.keys()
        assert all(torch.equal(value, b[name]) for name, value in a.items())
    assert one.race.losses == two.race.losses


def test_training_learns_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    *_, trained = run(n_epochs=60)
    assert torch.equal(torch.get_rng_state(), before)
    curve = min(trained.race.losses, key=min)
    assert min(curve) < 0.5 * curve[0]


def test_a_hook_that_says_so_ends_the_training():
    *_, trained = run(on_epoch=lambda epoch, race: epoch == 3)
    assert trained.n_epochs == 3
    assert trained.step_plan[-1] == (9, 9)


def test_a_training_whose_time_is_up_inside_an_epoch_is_judged():
    left = iter([100.0, *[50.0] * 7, *[-1.0] * 100])
    *_, trained = run(seconds_left=lambda: next(left))
    assert trained.n_steps == 7
    assert trained.n_epochs == 3
    assert (trained.race.best_epochs >= 1).all()


def test_a_cut_training_is_repeated_by_its_step_plan():
    left = iter([100.0, *[50.0] * 7, *[-1.0] * 100])
    *_, cut = run(seconds_left=lambda: next(left))
    *_, again = run(step_plan=cut.step_plan)
    assert again.n_steps == cut.n_steps
    assert again.race.losses == cut.race.losses


def test_all_members_diverging_is_a_clear_error():
    with pytest.raises(FloatingPointError, match="every member.*learning rate"):
        run(lr=1e30)


def test_a_member_that_diverges_leaves_the_others_alone():
    wild = Member(2, 8, "relu", 0.1, learning_rate=1e30)
    *_, trained = run([*MEMBERS, wild], n_epochs=20, n_finalists=6)
    curves = trained.race.losses
    gone = grouped([*MEMBERS, wild])
    position = [m for group in gone for m in group].index(wild)
    assert curves[position][-1] == math.inf
    sane = [curve for i, curve in enumerate(curves) if i != position]
    assert all(len(curve) == 20 for curve in sane)
    assert all(min(curve) < curve[0] for curve in sane)
    assert trained.race.weights(0)[position] == 0
    for i, state in enumerate(trained.states):
        if i != position:
            assert all(value.isfinite().all() for value in state.values())


def test_outputs_in_parts_are_the_same(monkeypatch):
    pack, valid, _ = run(n_epochs=2)
    dense, codes = tensors_of(valid, "cpu")[:2]
    whole = outputs_of(pack, dense, codes)
    monkeypatch.setattr(_training, "VALID_NUMBERS", 5 * 2 * 8 * 7)
    torch.testing.assert_close(outputs_of(pack, dense, codes), whole)


def test_the_loss_is_one_number_per_net_and_row():
    outputs, target = torch.randn(4, 2, 7, 1), torch.randn(2, 7, 1)
    losses = PackLoss(OBJECTIVE)(outputs, target)
    torch.testing.assert_close(losses, (outputs - target)[..., 0].square())
