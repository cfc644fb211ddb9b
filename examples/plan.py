"""Ask what a fit will take before it is done, and compare it with the fit."""

from pathlib import Path

import pandas as pd

from automodel import AutoClassifier, Machine
from automodel.reporting.summary import text_summary

SECONDS = 6


def main():
    table = pd.read_csv(Path(__file__).parent / "data" / "penguins.csv")
    X, y = table.drop(columns="species"), table["species"]

    search = AutoClassifier(time_budget=SECONDS, n_jobs=2, random_state=0)
    plan = search.plan(X, y, probe_seconds=3.0)
    print(plan)

    # Rates are your own: what an hour of the machine costs, and what it draws.
    cost = plan.cost(per_hour=1.2, watts=150, per_kwh=0.3, grams_per_kwh=380)
    print(f"\n{cost}\n")

    larger = plan.on(Machine(n_cores=8, memory=32_000_000_000))
    print(f"With eight cores: {larger.total_trials.likely:.0f} trials\n")

    # The estimator keeps the plan, and its summary shows it beside the fit.
    print(text_summary(search.fit(X, y), top=3))


if __name__ == "__main__":
    main()
