"""What encoders of texts and of images that use pretrained weights have in common."""

import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sklearn.base import clone

from automodel.evaluation.encoding import full_repr, learns_nothing
from automodel.exceptions import WeightsError
from automodel.preprocessing.image.features import ImageFeatures
from automodel.preprocessing.text.embedding import TextEmbedding
from tests.conftest import environment
from tests.images import make_images
from tests.texts import make_texts
from tests.tiny_backbone import write_backbone
from tests.tiny_encoder import write_encoder

pytest.importorskip("transformers")


@dataclass(frozen=True)
class Case:
    """An encoder, a function that writes weights for it, and rows."""

    new: Callable[..., Any]
    write: Callable[..., Path]
    name: str
    X: Any
    found: str  # what an error says of missing weights

    def encoder(self, folder, seed=0):
        return self.new(self.write(folder / self.name, seed=seed))


CASES = {
    "text": Case(
        TextEmbedding,
        write_encoder,
        "tiny",
        make_texts(5)[0],
        "TextEmbedding found no pretrained weights of a text encoder",
    ),
    "image": Case(
        partial(ImageFeatures, image_size=32, precision="float32"),
        write_backbone,
        "resnet8.safetensors",
        make_images(5)[0],
        "ImageFeatures found no pretrained weights of a net of images",
    ),
}
each = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
IN_A_FRESH_PROCESS = """
import pickle, socket, sys
import numpy as np

def refuse(*args, **options):
    raise AssertionError("the network is used")

socket.socket.connect = socket.getaddrinfo = refuse
with open(sys.argv[1], "rb") as file:
    saved = pickle.load(file)
for pickled, X, expected in saved:
    np.testing.assert_array_equal(pickle.loads(pickled).transform(X), expected)
"""


@each
def test_it_learns_nothing_and_is_told_apart_by_its_weights(case, tmp_path):
    weights, others = (
        case.encoder(tmp_path / str(seed), seed).fit().weights_ for seed in (0, 1)
    )
    assert learns_nothing(case.new(weights))
    assert full_repr(case.new(weights)) != full_repr(case.new(others))
    again = pickle.loads(pickle.dumps(case.new(weights)))
    assert full_repr(again) == full_repr(case.new(weights))
    assert clone(case.new(weights)).weights == weights


def test_pickles_are_small_and_predict_in_a_fresh_process_without_a_network(tmp_path):
    saved = []
    for case in CASES.values():
        encoder = case.encoder(tmp_path).fit()
        pickled = pickle.dumps(encoder)
        assert len(pickled) < 2000
        saved.append((pickled, case.X, encoder.transform(case.X)))
    path = tmp_path / "saved.pkl"
    path.write_bytes(pickle.dumps(saved))
    command = [sys.executable, "-c", IN_A_FRESH_PROCESS, path]
    run = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@each
def test_a_pickle_finds_weights_that_have_moved(case, tmp_path, monkeypatch):
    encoder = case.encoder(tmp_path / "here", seed=2).fit()
    pickled = pickle.dumps(encoder)
    shutil.move(tmp_path / "here", tmp_path / "there")
    with pytest.raises(WeightsError, match="no longer in"):
        pickle.loads(pickled).transform(case.X)
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(tmp_path / "there"))
    assert pickle.loads(pickled).weights_ == encoder.weights_
    assert len(pickle.loads(pickled).transform(case.X)) == len(case.X)


@each
def test_no_weights_at_all_are_an_error_that_names_the_remedy(
    case, monkeypatch, tmp_path
):
    from automodel.nets import _weight_packages

    monkeypatch.setattr(_weight_packages, "PACKAGES", ())
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("AUTOMODEL_WEIGHTS", raising=False)
    with pytest.raises(WeightsError, match=f"{case.found}.*pip install"):
        case.new().fit(case.X)


@each
def test_it_uses_one_thread_and_prints_nothing(case, tmp_path, capfd):
    import torch

    encoder = case.encoder(tmp_path, seed=3)  # whose weights are loaded anew
    before = torch.get_num_threads()
    encoder.transform(case.X)
    assert torch.get_num_threads() == before
    assert capfd.readouterr() == ("", "")
