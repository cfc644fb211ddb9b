"""Search for half a minute, and show the model that was found."""

from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

from automodel import AutoClassifier
from automodel.reporting.summary import text_summary

SECONDS = 30.0


def main():
    table = pd.read_csv(Path(__file__).parent / "data" / "penguins.csv")
    X, y = table.drop(columns="species"), table["species"]
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, stratify=y, random_state=0
    )
    model = AutoClassifier(time_budget=SECONDS, random_state=0, verbose=1)
    model.fit(X_train, y_train)
    print(text_summary(model))
    print(f"Accuracy on rows that were held out: {model.score(X_test, y_test):.3f}")


if __name__ == "__main__":
    main()
