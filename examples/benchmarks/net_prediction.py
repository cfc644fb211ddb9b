"""Compare the time of predictions of nets for tables in NumPy with that in torch.

    python examples/benchmarks/net_prediction.py --repeats 9

Nets of all architectures are fitted on 400 rows of 20 numbers with three classes. Each
predicts 1, 100 and 10,000 rows with `predict_proba`, once as it does, in NumPy, and
once with its module of torch in float64. The table has the milliseconds in NumPy and
the ratio of both, which is below one where NumPy is faster. The script measures
processor time on one thread. Both variants run in turns, and ratios are taken within a
turn, so that other load of the machine affects both alike.
"""

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import time

import numpy as np
import torch

from automodel import nets
from automodel.nets._training import load_state
from automodel.nets.forward.module import ModuleForward
from automodel.nets.packed._members import spread
from automodel.nets.packed._module import Pack

CASES = [
    *(("RealMLP", {"activation": name}) for name in ("selu", "relu", "silu", "mish")),
    ("RealMLP", {"activation": "gelu"}),
    ("RealMLP", {"activation": "gelu", "normalization": "batch"}),
    ("RealMLP", {"normalization": "layer"}),
    ("RealMLP", {"parametric_activation": True, "block": "residual"}),
    ("RealMLP", {"embedding": "piecewise"}),
    ("RealMLP", {"embedding": "none"}),
    ("RealMLP", {"width": 512, "n_layers": 3}),
    ("TabM", {}),
    ("TabM", {"kind": "tabm-mini", "k": 32, "activation": "gelu"}),
    ("TabM", {"k": 32, "width": 256, "embedding": "piecewise"}),
    ("TabularResNet", {}),
    ("TabularResNet", {"width": 256, "n_blocks": 4, "embedding": "piecewise"}),
    ("FTTransformer", {}),
    ("FTTransformer", {"n_blocks": 3, "width": 192, "n_heads": 8}),
    ("PackedMLP", {}),
]
REPEATS = {1: 200, 100: 50, 10_000: 1}


class TorchPack:
    """A pack that predicts with its module of torch."""

    def __init__(self, net):
        shape = net._inputs, net._targets[0].n_outputs
        pack = Pack([[m] for m in net.members_], len(net.encoders_), *shape)
        load_state(pack, net.state_)
        self.pack, self.inputs = pack.double().eval(), net._inputs

    @torch.inference_mode()
    def outputs_in_parts(self, X, encoders):
        for start in range(0, len(X), 2048):
            rows = X[start : start + 2048]
            encoded = [spread(encoder, rows, self.inputs) for encoder in encoders]
            dense, codes = (
                torch.tensor(np.stack(parts)) for parts in zip(*encoded, strict=True)
            )
            yield self.pack(dense.double(), codes).numpy()


def in_torch(net, name):
    if name == "PackedMLP":
        return TorchPack(net)
    return ModuleForward(net._new_module(), net.state_, "cpu")


def seconds_of(net, forward, X, repeats):
    net._cache["forward"] = forward
    start = time.process_time()
    for _ in range(repeats):
        net.predict_proba(X)
    return (time.process_time() - start) / repeats


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--only", default="", help="architecture to measure")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    X = np.random.default_rng(0).normal(size=(max(REPEATS), 20))
    y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int) + (X[:, 2] > 0)
    print("| net | " + " | ".join(f"{n:,} rows: ms, ratio" for n in REPEATS) + " |")
    print("|---" * (1 + len(REPEATS)) + "|")
    for name, options in CASES:
        if arguments.only not in name:
            continue
        net = getattr(nets, f"{name}Classifier")(
            max_epochs=1, random_state=0, device="cpu", **options
        )
        net.fit(X[:400], y[:400]).predict_proba(X[:1])
        forwards = net._cache["forward"], in_torch(net, name)
        cells = [f"{name} {options or ''}".rstrip()]
        for n_rows, repeats in REPEATS.items():
            turns = [
                [seconds_of(net, own, X[:n_rows], repeats) for own in forwards]
                for _ in range(arguments.repeats)
            ]
            own = statistics.median(turn[0] for turn in turns)
            ratio = statistics.median(turn[0] / turn[1] for turn in turns)
            cells.append(f"{1e3 * own:.2f}, {ratio:.2f}")
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
