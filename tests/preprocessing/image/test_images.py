import pickle
import subprocess
import sys

import numpy as np
import pytest

from automodel.exceptions import ImageError
from automodel.preprocessing.image import images as images_module
from automodel.preprocessing.image.files import LAST_BYTES, content_of
from automodel.preprocessing.image.images import AUGMENTATIONS, ImageFacts, Images
from automodel.preprocessing.image.reader import read_images
from tests.conftest import environment
from tests.images import encoded, make_images, write_images

GREY, _ = make_images(6)
STACK = Images(GREY)
FACTS = ImageFacts((8, 8, 8, 8, 8), (20, 20, 20, 20, 20))


@pytest.mark.parametrize(
    "rows", [np.array([3, 1]), slice(1, 3), slice(0), np.empty(0, dtype=int)]
)
@pytest.mark.parametrize("form", [np.asarray, list])
def test_some_of_the_images(rows, form):
    images = read_images(form(GREY))
    taken = images.take(rows)
    assert len(taken) == len(GREY[rows])
    for found, expected in zip(taken, GREY[rows], strict=True):
        np.testing.assert_array_equal(found, np.repeat(expected[..., None], 3, axis=2))


def test_equal_images_are_found_in_any_form(tmp_path):
    twice = [*GREY[:3], GREY[0].copy(), GREY[2][:, ::-1]]
    np.testing.assert_array_equal(read_images(twice).first_equal(), [0, 1, 2, 0, 4])
    paths = write_images(tmp_path, twice)
    np.testing.assert_array_equal(read_images(paths).first_equal(), [0, 1, 2, 0, 4])


def test_files_that_differ_in_their_ends_are_not_read_to_compare_them(
    tmp_path, monkeypatch
):
    def watched(source, row):
        read.append(row)
        return content_of(source, row)

    read = []
    monkeypatch.setattr(images_module, "content_of", watched)
    paths = write_images(tmp_path, [*GREY, GREY[4]])
    images = read_images(paths)
    np.testing.assert_array_equal(images.first_equal(), [0, 1, 2, 3, 4, 5, 4])
    assert read == [4, 6]


def test_files_of_the_same_size_and_end_may_differ():
    content = [bytes([i]) + bytes(LAST_BYTES) for i in (1, 2, 1)]
    np.testing.assert_array_equal(read_images(content).first_equal(), [0, 1, 0])


def test_images_of_other_shapes_are_not_equal():
    assert read_images([np.zeros((2, 6)), np.zeros((6, 2))]).first_equal()[1] == 1


def test_the_size_counts_what_is_in_memory(tmp_path):
    assert STACK.nbytes == GREY.nbytes
    assert read_images(list(GREY)).nbytes >= GREY.nbytes
    content = encoded(GREY[0])
    assert read_images([content]).nbytes >= len(content)
    assert read_images(write_images(tmp_path, GREY)).nbytes < 6 * 400


def test_files_are_not_kept_once_they_are_decoded(tmp_path):
    images = read_images(write_images(tmp_path, GREY))
    assert len(list(images)) == 6
    assert all(isinstance(source, str) for source in images.sources)


def test_the_fingerprint_tells_images_apart():
    assert STACK.fingerprint() == Images(GREY.copy()).fingerprint()
    assert STACK.fingerprint() == read_images(list(GREY)).fingerprint()
    assert STACK.fingerprint() != Images(GREY[::-1]).fingerprint()
    assert STACK.fingerprint() != Images(GREY.swapaxes(1, 2)).fingerprint()


def test_a_changed_file_has_another_fingerprint(tmp_path):
    paths = write_images(tmp_path, GREY)
    before = read_images(paths).fingerprint()
    write_images(tmp_path, GREY[::-1])
    assert read_images(paths).fingerprint() != before


def test_the_fingerprint_is_the_same_in_another_process():
    code = (
        "import pickle, sys; images = pickle.load(sys.stdin.buffer);"
        "print(images.fingerprint())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(STACK),
        capture_output=True,
        env=environment(PYTHONHASHSEED="7"),
        check=True,
    )
    assert run.stdout.decode().strip() == STACK.fingerprint()


def test_a_file_that_has_disappeared_is_named_with_its_row(tmp_path):
    paths = write_images(tmp_path, GREY)
    images = read_images(paths).take([5, 4])
    (tmp_path / "0004.png").unlink()
    images.image(0)
    with pytest.raises(ImageError, match=r"row 4 of X \('.*0004.png'\).*no such file"):
        images.image(1)


def test_the_facts_tell_about_sizes():
    assert (FACTS.side, FACTS.channels, FACTS.is_tiny, FACTS.is_uniform) == (
        *(20, 3),
        *(False, True),
    )
    assert FACTS.sizes([8, 16]) == [8, 16]
    assert ImageFacts((8,) * 5, (8,) * 5, image_size=40).sizes([8, 16]) == [40]
    assert set(FACTS.augmentations) == set(AUGMENTATIONS)
    assert FACTS.width > 0
