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

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
from compare import PeakMemory, earlier, figures_of, write
from sklearn.model_selection import StratifiedShuffleSplit

FIRST_ROWS = {"banking77": 10_003, "sst2": 7_792}  # which are the training part
DATASETS = ["banking77", "sst2", "sms_spam", "banking77-10", "sst2-500"]
PER_CLASS = {"banking77-10": 10}
N_TEXTS = {"sst2-500": 500}
ENCODER = "all-MiniLM-L6-v2"
SPEED_TEXTS = 2_000
KEY = ("dataset", "system", "seed", "budget", "weights", "families", "train", "jobs")


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


class AutoModel:
    """`AutoTextClassifier`, or with `families` a search of some of them."""

    package = "automodel"

    def __init__(self, job):
        from automodel import AutoTextClassifier

        self.model = AutoTextClassifier(
            weights=None if job["weights"] == "none" else job["weights"],
            families=job["families"] and job["families"].split(","),
            scoring="accuracy",
            time_budget=job["budget"],
            n_jobs=job["jobs"],
            random_state=job["seed"],
        )

    def fit(self, texts, y):
        self.model.fit(texts, y)

    def predict(self, texts):
        return self.model.predict(texts)

    def figures(self):
        board = self.model.leaderboard_
        tried = board[board["status"] != "skipped"]
        of_family = tried.groupby("family").agg(
            trials=("score", "size"),
            seconds=("seconds", "sum"),
            weight=("weight", "sum"),
        )
        return {
            "n_trials": len(tried),
            "status": tried["status"].value_counts().to_dict(),
            "ensemble": sorted(of_family.index[of_family["weight"] > 0]),
            "of_family": of_family.round(4).T.to_dict(),
            "found_weights": [weights.name for weights in self.model.weights_],
            "valid_score": self.model.best_score_,
        }


class Fixed:
    """A scikit-learn estimator of texts."""

    package = "sklearn"

    def __init__(self, job):
        self.model = ESTIMATORS[job["system"]]()

    def fit(self, texts, y):
        self.model.fit(texts, y)

    def predict(self, texts):
        return self.model.predict(texts)

    def figures(self):
        return {}


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
    "automodel": AutoModel,
    **dict.fromkeys(ESTIMATORS, Fixed),
    "autogluon": AutoGluon,
    "autogluon-best": AutoGluon,
    "autogluon-multimodal": AutoGluonMultiModal,
    "flaml": Flaml,
}


def cpu_seconds():
    """Return the processor time that this process and its children have used."""
    import psutil

    me = psutil.Process()
    times = [process.cpu_times() for process in [me, *me.children(recursive=True)]]
    ended = times[0].children_user + times[0].children_system
    return ended + sum(own.user + own.system for own in times)


def measure(folder, job):
    """Fit once, and return the figures."""
    warnings.simplefilter("ignore")
    texts, y, test_texts, y_test = read(folder, job["dataset"], job["seed"], job["n"])
    memory = PeakMemory()
    memory.start()
    start = time.perf_counter()
    system = SYSTEMS[job["system"]](job)
    imported = time.perf_counter()
    system.fit(texts, y)
    fit_seconds = time.perf_counter() - imported
    start_predict = time.perf_counter()
    predicted = system.predict(test_texts)
    predict_seconds = time.perf_counter() - start_predict
    some, before, cpu_before = test_texts[:SPEED_TEXTS], time.time(), cpu_seconds()
    system.predict(some)
    seconds, cpu = time.time() - before, cpu_seconds() - cpu_before
    memory.is_over.set()
    budget = job["budget"]
    return {
        "rows": len(texts),
        "accuracy": float(np.mean(np.asarray(predicted).ravel() == y_test)),
        "import_seconds": round(imported - start, 2),
        "fit_seconds": round(fit_seconds, 2),
        "in_time": budget and fit_seconds <= budget + max(1.0, 0.02 * budget),
        "predict_seconds": round(predict_seconds, 2),
        "texts_a_second": round(len(some) / seconds),
        "texts_a_cpu_second": round(len(some) / max(cpu, 0.01)),
        "peak_mib": round(memory.peak),
        "data_mib": round(sum(map(sys.getsizeof, texts)) / 2**20, 2),
        "version": import_module(system.package).__version__,
        **system.figures(),
    }


def jobs_of(arguments):
    """Yield what is to be measured; fixed models have no budget."""
    for seed in arguments.seeds.split(","):
        for dataset in arguments.datasets.split(","):
            for system in arguments.systems.split(","):
                is_own, is_fixed = system == "automodel", system in ESTIMATORS
                yield {
                    "dataset": dataset,
                    "system": system,
                    "seed": int(seed),
                    "budget": None if is_fixed else arguments.budget,
                    "weights": arguments.weights if is_own else None,
                    "families": arguments.families if is_own else None,
                    "train": arguments.train,
                    "jobs": None if is_fixed else arguments.jobs,
                }


def run(job, arguments, pythons):
    """Return the job with its figures, which come from a process of its own."""
    inside = job | {"n": job["train"]}
    if job["system"] == "autogluon-multimodal":
        from automodel.nets.weights import find_weights

        inside["encoder"] = find_weights(ENCODER)[0].folder
    python = pythons.get(job["system"], sys.executable)
    call = [python, __file__, arguments.folder, "--one", json.dumps(inside)]
    return job | figures_of(call)


def summarize(rows):
    """Print mean accuracies and the extremes of time, memory and speed."""
    frame = pd.DataFrame([row for row in rows if "accuracy" in row])
    if frame.empty:
        return
    parts = frame[["system", "budget", "weights", "families"]].astype(object)
    frame["run"] = parts.apply(
        lambda row: " ".join(f"{part}" for part in row if pd.notna(part)), axis=1
    )
    order = frame["dataset"].unique()
    wide = frame.pivot_table(
        index="run", columns="dataset", values="accuracy", sort=False
    )
    print(wide[order].round(4).to_string())
    spread = frame.groupby(["run", "dataset"], sort=False).agg(
        runs=("accuracy", "size"),
        lowest=("accuracy", "min"),
        longest_fit=("fit_seconds", "max"),
        late=("in_time", lambda column: int((column == False).sum())),  # noqa: E712
        slowest=("texts_a_second", "min"),
        slowest_core=("texts_a_cpu_second", "min"),
        peak_mib=("peak_mib", "max"),
    )
    print(spread.round(4).to_string())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="of the data sets")
    parser.add_argument("--datasets", default=",".join(DATASETS))
    parser.add_argument("--systems", default="automodel,one_liner")
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--weights", default="auto", help="of automodel; none, or auto")
    parser.add_argument("--families", help="of automodel; all by default")
    parser.add_argument("--train", type=int, help="number of training texts")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--python", nargs="*", default=[], metavar="SYSTEM=PYTHON")
    parser.add_argument("--out", help="file of JSON lines, added to")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.folder, json.loads(arguments.one))))
        return
    pythons = dict(pair.split("=", 1) for pair in arguments.python)
    known = {
        tuple(row[k] for k in KEY): row
        for row in earlier(arguments.out)
        if "error" not in row
    }
    rows = []
    for job in jobs_of(arguments):
        row = known.get(tuple(job[k] for k in KEY))
        if row is None:
            row = run(job, arguments, pythons)
            write(row, arguments.out)
        rows.append(row)
    summarize(rows)


if __name__ == "__main__":
    main()
