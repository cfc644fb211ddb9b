"""Compare the cost of a training step of our nets with that of a hand-written loop.

    python examples/benchmarks/net_step.py --repeats 9

All variants train the same module, two hidden layers of 128 units with ReLU, on the
same 10,000 rows of 20 numbers in batches of 256, with float32, one thread, and no
validation. The hand-written loops are what one would write without a library: shuffle,
take slices, forward, backward, step. One of them uses our AdamW, the other the fused
AdamW of torch. The script measures processor time. The variants run in turns, and
ratios are taken within a turn, so that other load of the machine affects all alike.
"""

import argparse
import statistics
import time
from itertools import product

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn
from torch.nn import functional as F

from automodel.nets._objective import SquaredError
from automodel.nets._optimizers import AdamW
from automodel.nets._recipe import Hooks, Recipe, Rows
from automodel.nets._training import dataset_of, train

N_ROWS, N_COLUMNS, WIDTH, BATCH = 10_000, 20, 128, 256
LEARNING_RATE, DECAY = 0.01, 0.02
BAR = 1.10


class MLP(nn.Module):
    """A perceptron with the face of our modules: dense and codes, `initialize`."""

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(N_COLUMNS, WIDTH)
        self.two = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, 1)

    def forward(self, dense, codes=None):
        return self.head(F.relu(self.two(F.relu(self.one(dense)))))

    def initialize(self, dense, codes, generator):
        """Keep the weights that torch has drawn."""


def make_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_COLUMNS)).astype(np.float32)
    target = (X[:, :2].sum(axis=1) + rng.normal(size=N_ROWS)).astype(np.float32)
    return Rows(X, np.zeros((N_ROWS, 0), np.int64), target)


def with_skorch(rows, n_epochs, callbacks=()):
    """Train as the estimators do."""
    recipe = Recipe(
        learning_rate=LEARNING_RATE,
        weight_decay=DECAY,
        schedule="constant",
        batch_size=BATCH,
        max_epochs=n_epochs,
        patience=n_epochs,
        device="cpu",
        seed=0,
        callbacks=callbacks,
    )
    return train(MLP(), rows, None, recipe, SquaredError(), Hooks()).n_steps


def with_a_callback(rows, n_epochs):
    """Train with a callback of the user, for which skorch notes each batch."""
    return with_skorch(rows, n_epochs, [Callback()])


def by_hand(rows, n_epochs, make_optimizer):
    generator = torch.Generator().manual_seed(0)
    dataset = dataset_of(rows, "cpu")
    X, target = dataset.X["dense"], dataset.y
    module = MLP()
    optimizer = make_optimizer([{"params": list(module.parameters())}])
    module.train()
    n_steps, total = 0, 0.0
    for _ in range(n_epochs):
        order = torch.randperm(N_ROWS, generator=generator)
        shuffled, shuffled_target = X[order], target[order]
        for start in range(0, N_ROWS, BATCH):
            batch = shuffled[start : start + BATCH]
            output = module(batch)[:, 0]
            loss = F.mse_loss(output, shuffled_target[start : start + BATCH])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(batch)
            n_steps += 1
    return n_steps


def with_our_adamw(rows, n_epochs):
    def make(groups):
        return AdamW(groups, lr=LEARNING_RATE, weight_decay=DECAY)

    return by_hand(rows, n_epochs, make)


def with_torch_adamw(rows, n_epochs):
    def make(groups):
        return torch.optim.AdamW(
            groups, lr=LEARNING_RATE, weight_decay=DECAY, fused=True
        )

    return by_hand(rows, n_epochs, make)


WAYS = {
    "skorch": with_skorch,
    "skorch with a callback": with_a_callback,
    "by hand": with_our_adamw,
    "by hand, torch's AdamW": with_torch_adamw,
}


def milliseconds(way, rows, n_epochs):
    """Return the milliseconds of a step."""
    start = time.process_time()
    n_steps = way(rows, n_epochs)
    return 1000 * (time.process_time() - start) / n_steps


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--epochs", type=int, default=30, help="of each turn")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = make_rows()
    spent = {name: [] for name in WAYS}
    for way in WAYS.values():
        way(rows, 2)  # loads what is loaded late
    for _ in range(arguments.repeats):
        for name, way in WAYS.items():
            spent[name].append(milliseconds(way, rows, arguments.epochs))
    for name, values in spent.items():
        print(
            f"{name:24s} median {statistics.median(values):.3f} ms a step, "
            f"{min(values):.3f} to {max(values):.3f}"
        )
    for one, other in product(list(WAYS)[:2], list(WAYS)[2:]):
        ratios = [a / b for a, b in zip(spent[one], spent[other], strict=True)]
        print(
            f"{one} / {other}: median {statistics.median(ratios):.3f}, "
            f"{min(ratios):.3f} to {max(ratios):.3f} (bar: {BAR:.2f})"
        )


if __name__ == "__main__":
    main()
