"""Search models of images for half a minute: the digits of scikit-learn."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from automodel import AutoImageClassifier, EstimatorFamily
from automodel.preprocessing.image.pixels import ImagePixels
from automodel.reporting.summary import text_summary

SECONDS = 30.0


def search_space(trial):
    return {
        "n_neighbors": trial.suggest_int("n_neighbors", 1, 20, log=True),
        "weights": trial.suggest_categorical("weights", ["uniform", "distance"]),
    }


def main():
    digits = load_digits()
    X_train, X_test, y_train, y_test = train_test_split(
        digits.images, digits.target, stratify=digits.target, random_state=0
    )
    # Any scikit-learn estimator can take part in the search, with an encoder of images.
    own = EstimatorFamily(
        "neighbors",
        KNeighborsClassifier(),
        search_space,
        preprocessor=ImagePixels(8, color=False),
    )
    model = AutoImageClassifier(
        weights=None,
        families=["image_pixels", "image_resnet", own],
        augmentations=("translate", "rotate", "scale"),  # no digit may be flipped
        scoring="accuracy",
        time_budget=SECONDS,
        random_state=0,
        verbose=1,
    )
    model.fit(X_train, y_train)
    print(text_summary(model))
    print(f"Accuracy on digits that were held out: {model.score(X_test, y_test):.3f}")
    print(model.predict(X_test[:5]), y_test[:5])


if __name__ == "__main__":
    main()
