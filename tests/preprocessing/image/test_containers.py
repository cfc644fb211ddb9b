"""Images in any container are read, and anything else is refused."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.sparse import csr_matrix

from automodel.preprocessing.image.containers import as_sources
from automodel.preprocessing.image.reader import read_images
from tests.images import encoded, make_images, write_images

GREY, _ = make_images(5)
COLOR = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)


def forms_of(array, folder):
    torch = pytest.importorskip("torch")
    pl = pytest.importorskip("polars")
    channels_first = array[:, None] if array.ndim == 3 else np.moveaxis(array, -1, 1)
    tensor = torch.from_numpy(channels_first.copy())
    paths = write_images(folder, array)
    content = [encoded(image) for image in array]
    objects = np.empty(len(array), dtype=object)
    objects[:] = list(array)
    return {
        "array": array,
        "integers": array.astype(np.int64),
        "floats": array / 255,
        "single precision": (array / 255).astype(np.float32),
        "other order": np.asfortranarray(array),
        "list": list(array),
        "tuple": tuple(array),
        "nested lists": array.tolist(),
        "objects": objects,
        "Series of arrays": pd.Series(list(array)),
        "tensor": tensor,
        "tensor of floats": tensor.double() / 255,
        "list of tensors": list(tensor),
        "PIL": [Image.fromarray(image) for image in array],
        "paths": paths,
        "array of paths": np.array(paths),
        "frame of paths": pd.DataFrame({"path": paths}),
        "polars": pl.DataFrame({"path": paths}),
        "bytes": content,
        "Series of bytes": pd.Series(content),
        "mixed": [*array[:2], *paths[2:4], content[4]],
    }


@pytest.mark.parametrize("array", [GREY, COLOR], ids=["grey", "colour"])
def test_all_forms_give_the_same_pixels(array, tmp_path):
    expected = np.stack(list(read_images(array)))
    assert expected.shape == (*array.shape[:3], 3)
    for name, X in forms_of(array, tmp_path).items():
        found = list(read_images(X))
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_four_channels_and_one_channel_are_accepted():
    assert len(as_sources(np.zeros((2, 5, 5, 4)))) == 2
    assert len(as_sources(np.zeros((2, 5, 5, 1)))) == 2
    assert len(as_sources([np.zeros((5, 5, 1)), np.zeros((9, 3))])) == 2


def test_sources_are_not_read_again():
    sources = as_sources(GREY)
    assert as_sources(sources) is sources


REFUSED = {
    "table": (np.zeros((9, 64)), r"shape \(9, 64\).*Reshape your data"),
    "row": (np.zeros(9), r"Reshape your data"),
    "rows of numbers": ([[1, 2], [3, 4]], "X is a table"),
    "numbers": ([1.0, 2.0], "float.*no image"),
    "channels": (np.zeros((2, 5, 5, 7)), "1, 3 or 4 channels"),
    "channels first": (np.zeros((2, 3, 50, 50)), "np.moveaxis"),
    "an image of channels first": ([np.zeros((3, 50, 50))], "np.moveaxis"),
    "single image": (np.zeros((50, 60, 3)), r"X\[None\]"),
    "five axes": (np.zeros((2, 3, 4, 5, 3)), "channels"),
    "a path": ("a.png", "single str"),
    "some bytes": (b"123", "single bytes"),
    "missing": ([np.zeros((2, 2)), None], "Row 1 of X is missing"),
    "NaN": ([np.nan], "Row 0 of X is missing"),
    "no pixels": (np.zeros((2, 0, 5)), "no pixels"),
    "an image without pixels": ([np.zeros((0, 5))], "no pixels"),
    "text": (np.full((2, 3, 3), "a"), "Expected images"),
    "an image of text": ([np.full((3, 3), "a")], "dtype"),
    "complex": (np.zeros((2, 3, 3), dtype=complex), "real numbers"),
    "sparse": (csr_matrix(np.eye(3)), "Expected images"),
    "columns": (pd.DataFrame({"a": [1], "b": [2]}), "frame of 2 columns"),
    "a generator": ((image for image in GREY), "generator"),
    "a dict": ({"a": 1}, "dict"),
    "ragged": ([[[1, 2], [3]]], "not an image"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_anything_else_is_refused(case):
    X, match = REFUSED[case]
    with pytest.raises((TypeError, ValueError), match=match):
        as_sources(X)


def test_tensors_with_the_channel_last_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="channel is the last"):
        as_sources(torch.zeros(2, 50, 50, 3))
    with pytest.raises(ValueError, match="Row 1 of X is a tensor"):
        as_sources([torch.zeros(3, 50, 50), torch.zeros(50, 50, 3)])
