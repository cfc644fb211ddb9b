"""Try a few models, look at the fit in MLflow, and load its model from there."""

import mlflow
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from automodel import AutoClassifier
from automodel.callbacks import MLflowTracker

N_TRIALS = 6
URI = "sqlite:///mlflow.db"  # or that of a server, such as http://localhost:5000


def main():
    mlflow.set_tracking_uri(URI)
    mlflow.search_experiments()  # makes the database, which takes some seconds

    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, stratify=y, random_state=0
    )
    model = AutoClassifier(
        families=["linear", "knn"],
        n_trials=N_TRIALS,
        time_budget=None,
        callbacks=[MLflowTracker("breast cancer")],
        random_state=0,
        verbose=1,
    )
    model.fit(X_train, y_train)

    runs = mlflow.search_runs(experiment_names=["breast cancer"])
    fits = runs[runs["tags.mlflow.parentRunId"].isna()]
    print(f"{len(runs) - len(fits)} trials of {len(fits)} fits are in MLflow.")
    same = mlflow.sklearn.load_model(f"runs:/{fits['run_id'].iloc[0]}/model")
    print(f"Accuracy on rows that were held out: {same.score(X_test, y_test):.3f}")
    print(f"To look at them, run: mlflow ui --backend-store-uri {URI}")


if __name__ == "__main__":
    main()
