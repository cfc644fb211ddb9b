"""How are several targets learned at once? Numbers of any unit, and labels."""

from pathlib import Path

import pandas as pd
from sklearn.metrics import f1_score, r2_score
from sklearn.model_selection import train_test_split

from automodel import AutoClassifier, AutoRegressor

SECONDS = 30.0
NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]


def main():
    table = pd.read_csv(Path(__file__).parent / "data" / "penguins.csv").dropna()
    train, test = train_test_split(table, random_state=0)

    # Millimetres and grams: each column counts in units of its own deviation.
    X, y = table.columns.difference(NUMBERS), NUMBERS
    regressor = AutoRegressor(time_budget=SECONDS, random_state=0)
    regressor.fit(train[X], train[y])
    scores = r2_score(test[y], regressor.predict(test[X]), multioutput="raw_values")
    for name, score in zip(regressor.target_names_, scores, strict=True):
        print(f"R2 of {name:20} {score:.3f}")

    # An indicator tells which labels a row has: any number of them.
    labels = pd.DataFrame(
        {
            "female": table["sex"] == "female",
            "on Biscoe": table["island"] == "Biscoe",
            "heavy": table["body_mass_g"] > 4500,
        }
    ).astype(int)
    X = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm"]
    classifier = AutoClassifier(scoring="f1_macro", time_budget=SECONDS, random_state=0)
    classifier.fit(train[X], labels.loc[train.index])
    predicted = classifier.predict(test[X])
    scores = f1_score(labels.loc[test.index], predicted, average=None)
    thresholds = classifier.decision_thresholds_
    for name, score, threshold in zip(labels, scores, thresholds, strict=True):
        print(f"F1 of {name:20} {score:.3f} above a probability of {threshold:.2f}")


if __name__ == "__main__":
    main()
