"""Compare searches of models of texts with fixed models and other AutoML packages.

    python examples/benchmarks/texts.py FOLDER --budget 60 --seeds 0,1,2 \
        --systems automodel,one_liner,probe,average,prior --out figures.jsonl
    python examples/benchmarks/texts.py FOLDER --weights none --out figures.jsonl
    python examples/benchmarks/texts.py FOLDER --systems autogluon \
        --python autogluon=/envs/ag/bin/python --out figures.jsonl

FOLDER holds banking77.csv.gz, sst2.csv.gz and sms_spam.csv.gz, with the columns "text"
and "label". banking77 trains on its first 10,003 rows and sst2 on its first 7,792;
sms_spam trains on three quarters, which are drawn by the seed with equal shares of the
classes. "banking77-10" has 10 training texts of each class and "sst2-500" has 500
training texts, drawn by the seed; their test parts are whole. `--train N` draws N
training texts of each data set.

Every run has a fresh process, and one runs at a time. The score is the accuracy on the
test part, and each system is told to select by it. A fit is in time if it ends within
its budget + max(1 s, 2 %); imports do not count. The first prediction is that of the
test part, and loads what it needs; the speed is that of the second prediction, of up to
2,000 test texts. Memory is that of the process and its children. Figures that the file
`--out` already holds are not measured again.

The systems are "automodel"; the fixed models "one_liner" (TF-IDF of words and
characters with a linear support vector machine), "probe" (frozen MiniLM embeddings with
a logistic regression), "average" (the mean of the probabilities of both) and "prior";
and the peers "autogluon", "autogluon-best", "autogluon-multimodal", with the weights
of MiniLM from a local folder, and "flaml". If a peer is installed in another
environment, name its Python: `--python flaml=/envs/flaml/bin/python`.
"""

import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedShuffleSplit
from unstructured import Fixed, Search, command_line, compare, jobs_of, measure

FIRST_ROWS = {"banking77": 10_003, "sst2": 7_792}  # which are the training part
DATASETS = ["banking77", "sst2", "sms_spam", "banking77-10", "sst2-500"]
PER_CLASS = {"banking77-10": 10}
N_TEXTS = {"sst2-500": 500}
ENCODER = "all-MiniLM-L6-v2"
SPEED_TEXTS = 2_000


def read(folder, dataset, seed, n_train=None):
    """Return the texts and classes of the training part and of the test part."""
    name = dataset.partition("-")[0]
    table = pd.read_csv(Path(folder, f"{name}.csv.gz"), keep_default_na=False)
    texts = table["text"].to_numpy(dtype=object)
    y = pd.factorize(table["label"], sort=True)[0]
    rows = np.arange(len(y))
    if name in FIRST_ROWS:
        train, test = rows[: FIRST_ROWS[name]], rows[FIRST_ROWS[name] :]
    else:
        splitter = StratifiedShuffleSplit(1, test_size=0.25, random_state=seed)
        train, test = next(splitter.split(rows, y))
    rng = np.random.default_rng(seed)
    if dataset in PER_CLASS:
        of_classes = [train[y[train] == label] for label in np.unique(y)]
        drawn = [rng.choice(own, PER_CLASS[dataset], False) for own in of_classes]
        train = rng.permutation(np.concatenate(drawn))
    n_train = n_train or N_TEXTS.get(dataset)
    if n_train:
        train = rng.choice(train, n_train, replace=False)
    return texts[train], y[train], texts[test], y[test]


def search(job):
    from automodel import AutoTextClassifier

    return Search(AutoTextClassifier, job)


def fixed(new_model, job):
    return Fixed(new_model())


def one_liner():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    characters = TfidfVectorizer(
        analyzer="char_wb",
        ngram_range=(2, 5),
        min_df=2,
        max_features=60_000,
        sublinear_tf=True,
    )
    return make_pipeline(make_union(words, characters), LinearSVC(C=0.3))


def probe():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from automodel import TextEmbedding

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    grid = {"logisticregression__C": [3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1]}
    return make_pipeline(TextEmbedding(ENCODER), GridSearchCV(model, grid, cv=3))


def average():
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import VotingClassifier

    calibrated = CalibratedClassifierCV(one_liner(), cv=3, ensemble=False)
    members = [("one_liner", calibrated), ("probe", probe())]
    return VotingClassifier(members, voting="soft")


def prior():
    from sklearn.dummy import DummyClassifier

    return DummyClassifier()


ESTIMATORS = {
    "one_liner": one_liner,
    "probe": probe,
    "average": average,
    "prior": prior,
}


def frame_of(texts, y=None):
    frame = pd.DataFrame({"text": texts})
    return frame if y is None else frame.assign(target=y)


class AutoGluon:
    """AutoGluon Tabular on a table whose only column is the text."""

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

    def fit(self, texts, y):
        is_best = self.job["system"] == "autogluon-best"
        self.model.fit(
            frame_of(texts, y),
            time_limit=self.job["budget"],
            presets="best_quality" if is_best else None,
            num_cpus=self.job["jobs"],
        )

    def predict(self, texts):
        return self.model.predict(frame_of(texts)).to_numpy()

    def figures(self):
        board = self.model.leaderboard()
        return {"n_trials": len(board), "ensemble": [self.model.model_best]}


class AutoGluonMultiModal:
    """AutoGluon MultiModal, which fine-tunes an encoder from a local folder."""

    package = "autogluon.multimodal"

    def __init__(self, job):
        os.environ["HF_HUB_OFFLINE"] = "1"
        from autogluon.multimodal import MultiModalPredictor

        self.job = job
        self.model = MultiModalPredictor(
            label="target",
            eval_metric="accuracy",
            path=tempfile.mkdtemp(),
            verbosity=0,
        )

    def fit(self, texts, y):
        self.model.fit(
            frame_of(texts, y),
            time_limit=self.job["budget"],
            seed=self.job["seed"],
            hyperparameters={
                "model.names": ["hf_text"],
                "model.hf_text.checkpoint_name": self.job["encoder"],
                "env.num_gpus": 0,
            },
        )

    def predict(self, texts):
        return self.model.predict(frame_of(texts), as_pandas=False)

    def figures(self):
        return {}


class Flaml:
    """FLAML on a table whose only column is the text."""

    package = "flaml"

    def __init__(self, job):
        from flaml import AutoML

        self.job = job
        self.model = AutoML(
            task="classification",
            time_budget=job["budget"],
            metric="accuracy",
            seed=job["seed"],
            verbose=0,
        )

    def fit(self, texts, y):
        self.model.fit(frame_of(texts), y, n_jobs=self.job["jobs"])

    def predict(self, texts):
        return self.model.predict(frame_of(texts))

    def figures(self):
        return {"ensemble": [self.model.best_estimator]}


SYSTEMS = {
    "automodel": search,
    **{name: partial(fixed, new_model) for name, new_model in ESTIMATORS.items()},
    "autogluon": AutoGluon,
    "autogluon-best": AutoGluon,
    "autogluon-multimodal": AutoGluonMultiModal,
    "flaml": Flaml,
}


def measure_texts(folder, job):
    data = read(folder, job["dataset"], job["seed"], job["train"])
    n_bytes = sum(map(sys.getsizeof, data[0]))
    return measure(SYSTEMS[job["system"]], job, data, n_bytes, SPEED_TEXTS)


def folder_of_encoder(job):
    if job["system"] != "autogluon-multimodal":
        return {}
    from automodel.nets.weights import find_weights

    return {"encoder": find_weights(ENCODER)[0].folder}


def main():
    parser = command_line(__doc__, DATASETS, "automodel,one_liner")
    arguments = parser.parse_args()
    if arguments.one:
        job = json.loads(arguments.one)
        print(json.dumps(measure_texts(arguments.folder, job)))
        return
    jobs = jobs_of(arguments, ESTIMATORS, ["automodel"])
    compare(__file__, arguments, jobs, folder_of_encoder)


if __name__ == "__main__":
    main()
