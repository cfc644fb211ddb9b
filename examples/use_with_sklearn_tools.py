"""Use automodel with scikit-learn's own tools: in a pipeline and cross-validated."""

from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.inspection import permutation_importance
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline

from automodel import AutoClassifier

N_TRIALS = 4


def main():
    table = pd.read_csv(Path(__file__).parent / "data" / "penguins.csv")
    X, y = table.drop(columns="species"), table["species"]

    # With a number of trials instead of a time budget, the result repeats exactly.
    search = AutoClassifier(
        families=["linear", "extra_trees"],
        n_trials=N_TRIALS,
        time_budget=None,
        random_state=0,
    )
    without_year = make_column_transformer(
        ("drop", ["year"]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    pipeline = make_pipeline(without_year, search)

    # The whole search runs once for each fold, so it has never seen the scored rows.
    scores = cross_val_score(pipeline, X, y, cv=3, scoring="accuracy")
    print(f"Accuracy of the whole search: {scores.mean():.3f} +- {scores.std():.3f}")

    X_train, X_test, y_train, y_test = train_test_split(
        X, y, stratify=y, random_state=0
    )
    pipeline.fit(X_train, y_train)
    importance = permutation_importance(
        pipeline, X_test, y_test, n_repeats=3, random_state=0
    )
    for name, value in sorted(
        zip(X.columns, importance.importances_mean, strict=True), key=lambda x: -x[1]
    ):
        print(f"{name:20} {value:.3f}")


if __name__ == "__main__":
    main()
