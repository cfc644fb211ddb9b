"""Search models of texts for half a minute, beside a pipeline of one's own."""

from pathlib import Path

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from automodel import AutoTextClassifier, EstimatorFamily
from automodel.reporting.summary import text_summary

SECONDS = 30.0


def search_space(trial):
    return {
        "sgdclassifier__alpha": trial.suggest_float("alpha", 1e-5, 1e-2, log=True),
        "tfidfvectorizer__sublinear_tf": trial.suggest_categorical(
            "sublinear_tf", [True, False]
        ),
    }


def main():
    table = pd.read_csv(Path(__file__).parent / "data" / "banking.csv")
    X_train, X_test, y_train, y_test = train_test_split(
        table["text"], table["intent"], stratify=table["intent"], random_state=0
    )
    # Any scikit-learn estimator of texts can take part in the search.
    own = EstimatorFamily(
        "sgd", make_pipeline(TfidfVectorizer(), SGDClassifier("log_loss")), search_space
    )
    model = AutoTextClassifier(
        weights=None,
        families=["text_tfidf", own],
        scoring="accuracy",
        time_budget=SECONDS,
        random_state=0,
        verbose=1,
    )
    model.fit(X_train, y_train)
    print(text_summary(model))
    print(f"Accuracy on texts that were held out: {model.score(X_test, y_test):.3f}")
    print(model.predict(["My card has not come yet", "How old must my child be?"]))


if __name__ == "__main__":
    main()
