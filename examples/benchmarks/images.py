"""Compare searches of models of images with fixed models and other AutoML packages.

    python examples/benchmarks/images.py FOLDER --budget 60 --seeds 0,1,2 \
        --systems automodel,last_layer,taps,svm,forest,prior --out figures.jsonl
    python examples/benchmarks/images.py FOLDER --weights none --out figures.jsonl
    python examples/benchmarks/images.py FOLDER --datasets cifar10_6k --budget 300 \
        --systems automodel,last-tap,no-changes,trivial,unguarded,no-finetune,single
    python examples/benchmarks/images.py FOLDER --systems autogluon-features \
        --python autogluon-features=/envs/ag/bin/python --out figures.jsonl

FOLDER holds digits_8x8.npz, mnist_5k.npz, cifar10_6k.npz and concrete_cracks.npz, with
the images X, the classes y, and in some `split`, which is 1 for the official test part.
Of the others a quarter is the test part, with equal shares of the classes, drawn by the
seed. concrete_cracks has five folds, of which the seed is the number of the test part.
"cifar10_6k-300" has 300 training images, drawn by the seed with equal shares of the
classes; its test part is whole. `--train N` draws N training images of each data set.

Every run has a fresh process, and one runs at a time. The score is the accuracy on the
test part, and each system is told to select by it. A fit is in time if it ends within
its budget + max(1 s, 2 %); imports do not count. The first prediction is that of the
test part, and loads what it needs; the speed is that of the second prediction, of up to
1,000 test images. Memory is that of the process and its children. Figures that the file
`--out` already holds are not measured again.

The systems are "automodel"; "last-tap" (features of the last layer alone), "no-changes"
(no augmentation), "trivial" (TrivialAugment and horizontal flips alone), "unguarded"
(all changes, without asking whether flips harm), "no-finetune" and "single" (no
ensemble), which are automodel with one part switched off; "at-96", in which all images
have 96 x 96 pixels; the fixed models "last_layer" and "taps" (frozen features at 96
pixels with a logistic regression), "svm" and "forest" of pixels, and "prior"; and the
peers "autogluon-features", which is AutoGluon Tabular on all frozen features as
columns, and "autogluon-multimodal". If a peer is installed in another environment, name
its Python: `--python autogluon-multimodal=PYTHON`. The features of
"autogluon-features" are computed before its time begins.
"""

import json
import os
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from unstructured import Fixed, Search, command_line, compare, jobs_of, measure

DATASETS = ["digits_8x8", "mnist_5k", "cifar10_6k", "concrete_cracks", "cifar10_6k-300"]
N_IMAGES = {"cifar10_6k-300": 300}
IN_FOLDS = ["concrete_cracks"]
N_FOLDS = 5
SIZE = 96  # pixels, of the features of fixed models
SPEED_IMAGES = 1_000


def read(folder, dataset, seed, n_train=None):
    """Return the images and classes of the training part and of the test part."""
    name = dataset.partition("-")[0]
    with np.load(Path(folder, f"{name}.npz")) as data:
        X, y = data["X"], data["y"]
        is_test = data["split"] == 1 if "split" in data else None
    rows = np.arange(len(y))
    if is_test is not None:
        train, test = rows[~is_test], rows[is_test]
    elif name in IN_FOLDS:
        folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
        train, test = list(folds.split(rows, y))[seed % N_FOLDS]
    else:
        splitter = StratifiedShuffleSplit(1, test_size=0.25, random_state=seed)
        train, test = next(splitter.split(rows, y))
    train = np.random.default_rng(seed).permutation(train)
    n_train = n_train or N_IMAGES.get(dataset)
    if n_train:
        splitter = StratifiedShuffleSplit(1, train_size=n_train, random_state=seed)
        train = train[next(splitter.split(train, y[train]))[0]]
    return X[train], y[train], X[test], y[test]


def search(job, **options):
    from automodel import AutoImageClassifier

    return Search(AutoImageClassifier, job, **options)


def with_last_tap(job):
    from automodel.families.image.features import ImageFeaturesFamily as Family

    space, portfolio = Family.search_space, Family.portfolio

    def last(params):
        return {k: v for k, v in params.items() if k != "pooling"} | {"taps": "last"}

    # Families that are named would be tried even where they do not pay.
    Family.search_space = lambda self, trial, task: last(space(self, trial, task))
    Family.portfolio = lambda self, task: [last(own) for own in portfolio(self, task)]
    return search(job)


def without_finetuning(job):
    from automodel.families.image.finetune import ImageFinetuneFamily

    ImageFinetuneFamily.pays = lambda self, task: False
    return search(job)


def unguarded(job):
    from automodel.nets.image.augment import AUGMENTATIONS

    return search(job, augmentations=tuple(AUGMENTATIONS))


def fixed(new_model, job):
    return Fixed(new_model())


def features_with(taps):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from automodel import ImageFeatures
    from automodel.nets.weights import find_weights

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    grid = {"logisticregression__C": [3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1]}
    (weights, *_) = find_weights("auto", "image")
    features = ImageFeatures(weights, image_size=SIZE, taps=taps, pooling=("mean",))
    return make_pipeline(features, GridSearchCV(model, grid, cv=3))


def of_pixels(model):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    return make_pipeline(FunctionTransformer(flat), model)


def flat(images):
    return images.reshape(len(images), -1) / 255.0


def svm():
    from sklearn.svm import SVC

    return of_pixels(SVC(C=10.0))


def forest():
    from sklearn.ensemble import RandomForestClassifier

    return of_pixels(RandomForestClassifier(300, random_state=0))


def prior():
    from sklearn.dummy import DummyClassifier

    return DummyClassifier()


ESTIMATORS = {
    "last_layer": partial(features_with, "last"),
    "taps": partial(features_with, "middle"),
    "svm": svm,
    "forest": forest,
    "prior": prior,
}


class AutoGluonFeatures:
    """AutoGluon Tabular on frozen features that have been computed before."""

    package = "autogluon.tabular"

    def __init__(self, job):
        from autogluon.tabular import TabularPredictor

        self.job = job
        self.model = TabularPredictor(
            label="target",
            eval_metric="accuracy",
            path=tempfile.mkdtemp(),
            verbosity=0,
        )

    def fit(self, X, y):
        self.model.fit(
            frame_of(X, y), time_limit=self.job["budget"], num_cpus=self.job["jobs"]
        )

    def predict(self, X):
        return self.model.predict(frame_of(X)).to_numpy()

    def figures(self):
        board = self.model.leaderboard()
        return {"n_trials": len(board), "ensemble": [self.model.model_best]}


def frame_of(X, y=None):
    frame = pd.DataFrame(X, columns=[f"feature{i}" for i in range(X.shape[1])])
    return frame if y is None else frame.assign(target=y)


class AutoGluonMultiModal:
    """AutoGluon MultiModal, which fine-tunes the net whose features others take."""

    package = "autogluon.multimodal"

    def __init__(self, job):
        os.environ["HF_HUB_OFFLINE"] = "1"
        from autogluon.multimodal import MultiModalPredictor

        self.job = job
        self.folder = tempfile.mkdtemp()
        self.model = MultiModalPredictor(
            label="target",
            eval_metric="accuracy",
            path=tempfile.mkdtemp(),
            verbosity=0,
        )

    def fit(self, X, y):
        self.model.fit(
            self.files(X).assign(target=y),
            time_limit=self.job["budget"],
            seed=self.job["seed"],
            hyperparameters={
                "model.names": ["timm_image"],
                "model.timm_image.checkpoint_name": folder_of_timm(*self.job["net"]),
                "model.timm_image.image_size": SIZE,
                "env.num_gpus": 0,
            },
        )

    def predict(self, X):
        return self.model.predict(self.files(X), as_pandas=False)

    def files(self, X):
        from PIL import Image

        folder = Path(tempfile.mkdtemp(dir=self.folder))
        paths = [folder / f"{i}.png" for i in range(len(X))]
        for image, path in zip(X, paths, strict=True):
            Image.fromarray(image).convert("RGB").save(path)
        return pd.DataFrame({"image": [str(path) for path in paths]})

    def figures(self):
        return {}


def folder_of_timm(kind, file):
    """Write the weights of an EfficientNet-lite by the names of timm, in a folder."""
    import timm
    import torch

    name = f"tf_{kind}"
    net = timm.create_model(name)
    values, own = torch.load(file, weights_only=True).values(), net.state_dict()
    net.load_state_dict(dict(zip(own, values, strict=True)))  # in the same order
    net.reset_classifier(0)
    folder = Path(tempfile.mkdtemp())
    torch.save(net.state_dict(), folder / "pytorch_model.bin")
    config = {
        "architecture": name,
        "num_features": net.num_features,
        "pretrained_cfg": net.default_cfg,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


SEARCHES = {
    "automodel": search,
    "last-tap": with_last_tap,
    "no-changes": partial(search, augmentations=None),
    "trivial": partial(search, augmentations=("trivial", "horizontal_flip")),
    "unguarded": unguarded,
    "no-finetune": without_finetuning,
    "single": partial(search, ensemble_size=1),
    "at-96": partial(search, image_size=SIZE),
}
SYSTEMS = {
    **SEARCHES,
    **{name: partial(fixed, new_model) for name, new_model in ESTIMATORS.items()},
    "autogluon-features": AutoGluonFeatures,
    "autogluon-multimodal": AutoGluonMultiModal,
}


def measure_images(folder, job):
    data = read(folder, job["dataset"], job["seed"], job["train"])
    n_bytes = data[0].nbytes
    if "features" in job:
        with np.load(job["features"]) as own:
            data = own["train"], data[1], own["test"], data[3]
    return measure(SYSTEMS[job["system"]], job, data, n_bytes, SPEED_IMAGES)


def needs_of(folder, job):
    """Return the features, or the net, that a peer learns from."""
    from automodel.nets.weights import find_weights

    if not job["system"].startswith("autogluon"):
        return {}
    (weights, *_) = find_weights("auto", "image")
    if job["system"] == "autogluon-multimodal":
        return {"net": [weights.kind, str(weights.folder)]}
    from automodel import ImageFeatures

    X, _, X_test, _ = read(folder, job["dataset"], job["seed"], job["train"])
    features = ImageFeatures(weights, image_size=SIZE)
    file = Path(tempfile.mkdtemp(), "features.npz")
    np.savez(file, train=features.transform(X), test=features.transform(X_test))
    return {"features": str(file)}


def main():
    parser = command_line(__doc__, DATASETS, "automodel,taps")
    arguments = parser.parse_args()
    if arguments.one:
        job = json.loads(arguments.one)
        print(json.dumps(measure_images(arguments.folder, job)))
        return
    jobs = jobs_of(arguments, ESTIMATORS, SEARCHES)
    compare(__file__, arguments, jobs, partial(needs_of, arguments.folder))


if __name__ == "__main__":
    main()
