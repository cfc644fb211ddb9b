"""Compare searches of detectors with one detector, and with one of torchvision.

    python examples/benchmarks/detection.py FOLDER --budget 180 --seeds 0,1 \
        --systems automodel,recipe,baseline --out figures.jsonl
    python examples/benchmarks/detection.py FOLDER --weights none --budget 600
    python examples/benchmarks/detection.py FOLDER --systems torchvision --budget 600

FOLDER holds the folder bccd with annotations.json and images. A quarter of the images,
drawn by the seed, is the test part.

Every run has a fresh process, and one runs at a time. The scores are the mean average
precision at an intersection over union of .50 to .95 (`map`, by which each search
selects) and of .50 (`map_50`), on the test part. A fit is in time if it ends within its
budget + max(1 s, 2 %); imports do not count. The speed is that of the second prediction
of the test part. Memory is that of the process and its children. Figures that the file
`--out` already holds are not measured again.

The systems are "automodel"; "single", which is automodel without an ensemble;
"recipe", a `FasterRCNNDetector` whose heads are trained for 3 epochs and then all
layers for 3, on canvases of 320 pixels and one thread; "baseline", the typical box of
each class; and "torchvision", which is its `fasterrcnn_mobilenet_v3_large_320_fpn`
without pretrained weights, trained by its reference recipe (stochastic gradient
descent, momentum 0.9, a learning rate of 0.02 for 16 images, weight decay 1e-4,
horizontal flips, a tenth of the rate after two thirds and after 11 twelfths of the
time) in batches of 4 with all threads, for the budget.
"""

import json
import time
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split
from unstructured import Search, command_line, compare, jobs_of, measure

DATASETS = ["bccd"]
SIDE = 320
SCORE_THRESHOLD = 0.05


def read(folder, dataset, seed, n_train=None):
    """Return the images and boxes of the training part and of the test part."""
    from PIL import Image

    folder = Path(folder, dataset)
    images = json.loads(Path(folder, "annotations.json").read_text())["images"]
    rows = np.arange(len(images))
    train, test = train_test_split(rows, test_size=0.25, random_state=seed)
    data = []
    for part in (train[:n_train], test):
        own = [images[row] for row in part]
        data.append([np.asarray(Image.open(folder / i["file"])) for i in own])
        data.append([{"boxes": i["boxes"], "labels": i["labels"]} for i in own])
    return data


def scores(y, predicted):
    from automodel.metrics import mean_average_precision

    found = {
        "map_50": mean_average_precision(y, predicted, iou_thresholds=[0.5]),
        "map": mean_average_precision(y, predicted),
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def search(job, **options):
    from automodel import AutoObjectDetector

    return Search(AutoObjectDetector, job, scoring="map", **options)


class OneModel:
    """A model that learns boxes with the numbers of their classes."""

    package = "automodel"

    def __init__(self, job):
        self.job = job

    def fit(self, X, y):
        from automodel.targets.detection import BoxTarget

        self.target = BoxTarget.of(y)
        self.model = self.new_model()
        self.model.fit(self.rows_of(X, True), self.target.encode(y))

    def predict(self, X):
        return self.target.decode(self.model.predict(self.rows_of(X)))

    def figures(self):
        return {}


class Baseline(OneModel):
    def new_model(self):
        return self.target.baseline()

    def rows_of(self, X, is_new=False):
        return np.empty((len(X), 1))


class Recipe(OneModel):
    def new_model(self):
        from automodel.nets.detection import FasterRCNNDetector

        own = {"vertical_flip": 0.5, "random_state": self.job["seed"]}
        return FasterRCNNDetector(n_classes=self.target.n_outputs, **own)

    def rows_of(self, X, is_new=False):
        from automodel.preprocessing.image.canvas import ImageCanvas
        from automodel.preprocessing.image.reader import ImageReader

        if is_new:
            self.reader = ImageReader()
            rows = self.reader.fit_transform(X)
            self.canvas = ImageCanvas(SIDE, X[0].shape[:2])
            return self.canvas.fit(rows).transform(rows)
        return self.canvas.transform(self.reader.transform(X))


class Torchvision:
    """Train torchvision's detector for the budget."""

    package = "torchvision"

    def __init__(self, job):
        import torch

        torch.manual_seed(job["seed"])
        torch.set_num_threads(job["jobs"])
        self.job = job
        self.epochs = 0.0

    def fit(self, X, y):
        import torch
        from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn

        self.labels = np.unique(np.concatenate([own["labels"] for own in y]))
        self.net = fasterrcnn_mobilenet_v3_large_320_fpn(
            weights=None,
            weights_backbone=None,
            num_classes=len(self.labels) + 1,
            box_score_thresh=SCORE_THRESHOLD,
        ).train()
        rate = 0.02 * 4 / 16
        optimizer = torch.optim.SGD(
            self.net.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4
        )
        order = np.random.default_rng(self.job["seed"])
        start, n_steps, longest = time.perf_counter(), 0, 0.0
        batches = []
        while True:
            before = time.perf_counter() - start
            share = (before + 1.5 * longest) / self.job["budget"]
            if share >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = rate * 0.1 ** ((share > 2 / 3) + (share > 11 / 12))
                group["lr"] *= min(1.0, (n_steps + 1) / 100)  # warm-up
            if not batches:
                batches = np.array_split(order.permutation(len(X)), len(X) // 4)
            rows = batches.pop()
            loss = sum(self.net(*self.batch(X, y, rows, order)).values())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            n_steps, self.epochs = n_steps + 1, self.epochs + len(rows) / len(X)
            longest = max(longest, time.perf_counter() - start - before)

    def batch(self, X, y, rows, order):
        import torch

        images, targets = [], []
        for row in rows:
            image = torch.from_numpy(np.array(X[row])).permute(2, 0, 1) / 255
            boxes = torch.tensor(y[row]["boxes"], dtype=torch.float32).reshape(-1, 4)
            if order.random() < 0.5:
                image, width = image.flip(2), image.shape[2]
                boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
            numbers = np.searchsorted(self.labels, y[row]["labels"]) + 1
            images.append(image)
            targets.append({"boxes": boxes, "labels": torch.from_numpy(numbers)})
        return images, targets

    def predict(self, X):
        import torch

        self.net.eval()
        found = []
        for image in X:
            pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255
            with torch.no_grad():
                own = {k: v.numpy() for k, v in self.net([pixels])[0].items()}
            found.append(own | {"labels": self.labels[own["labels"] - 1]})
        return found

    def figures(self):
        return {"epochs": round(self.epochs, 2)}


ESTIMATORS = {"recipe": Recipe, "baseline": Baseline}
SEARCHES = {"automodel": search, "single": partial(search, ensemble_size=1)}
SYSTEMS = {**SEARCHES, **ESTIMATORS, "torchvision": Torchvision}


def measure_boxes(folder, job):
    data = read(folder, job["dataset"], job["seed"], job["train"])
    n_bytes, n_timed = sum(image.nbytes for image in data[0]), len(data[2])
    return measure(SYSTEMS[job["system"]], job, data, n_bytes, n_timed, scores)


def main():
    parser = command_line(__doc__, DATASETS, "automodel,recipe,baseline")
    arguments = parser.parse_args()
    if arguments.one:
        job = json.loads(arguments.one)
        print(json.dumps(measure_boxes(arguments.folder, job)))
        return
    jobs = jobs_of(arguments, ESTIMATORS, SEARCHES)
    compare(__file__, arguments, jobs, score="map")


if __name__ == "__main__":
    main()
