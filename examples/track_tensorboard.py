"""Search for half a minute, and look at the trials in TensorBoard."""

from pathlib import Path

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from automodel import AutoClassifier
from automodel.callbacks import TensorBoardTracker

SECONDS = 30.0
FOLDER = Path("runs")


def main():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, stratify=y, random_state=0
    )
    model = AutoClassifier(
        time_budget=SECONDS,
        callbacks=[TensorBoardTracker(FOLDER)],
        random_state=0,
        verbose=1,
    )
    model.fit(X_train, y_train)
    print(f"Accuracy on rows that were held out: {model.score(X_test, y_test):.3f}")

    fit = max(FOLDER.iterdir())  # folders are named after the time
    print(f"{len(list(fit.iterdir()))} trials are in {fit}. To look at them, run:")
    print(f"tensorboard --logdir {FOLDER}")


if __name__ == "__main__":
    main()
