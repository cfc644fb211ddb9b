"""A training plan that is made by hand."""

from dataclasses import replace

from automodel.training.planning.machine import Machine
from automodel.training.planning.ranges import Range
from automodel.training.planning.training_plan import Advice, TrainingPlan

INF = float("inf")


def advice(change="twice the cores", text="With twice the cores, 70 % more."):
    return Advice(
        change, text, Range(58, 59, 60), Range(150, 200, 230), Range(2e9, 2.2e9, 2.5e9)
    )


PLAN = TrainingPlan(
    machine=Machine(n_cores=2, memory=8_200_000_000, gpu=False),
    n_jobs=2,
    time_budget=60.0,
    max_trials=None,
    seconds=Range(54.0, 58.6, 60.0),
    seconds_to_first_model=Range(0.8, 1.24, 2.0),
    seconds_to_convergence=Range(INF, INF, INF),
    n_trials={"linear": Range(4, 5, 9), "catboost": Range(30, 41, 52)},
    total_trials=Range(36, 46, 60),
    peak_memory=Range(1.1e9, 1.2e9, 1.43e9),
    memory_parent=400e6,
    memory_worker=350e6,
    memory_limit=None,
    seconds_per_row=Range(1e-5, 1.2e-5, 2e-5),
    left_out={"bert": "left out: it reads\ntexts"},
    advice=(advice(),),
    notes=("The family 'own' states no cost, so it was measured.",),
    probe_seconds=4.9,
)


def plan(**changes):
    return replace(PLAN, **changes)
