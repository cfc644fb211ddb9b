"""Drafts of outputs, of which only whole parts are trusted."""

import pickle

import numpy as np
import pytest
from scipy import sparse

from automodel.preprocessing.parts import PART_ROWS, ArrayParts, PickledParts

N_ROWS = 2 * PART_ROWS + 100
VALUES = np.random.default_rng(0).normal(size=(N_ROWS, 3)).astype(np.float32)
VALUES[np.abs(VALUES) < 0.5] = 0.0
KINDS = [ArrayParts, PickledParts]


def parts_of(kind):
    starts = range(0, N_ROWS, PART_ROWS)
    parts = [VALUES[start : start + PART_ROWS] for start in starts]
    return parts if kind is ArrayParts else [sparse.csr_matrix(p) for p in parts]


def dense(X):
    return X.toarray() if sparse.issparse(X) else X


def written(kind, path, n_parts):
    draft = kind(path, N_ROWS)
    for part in parts_of(kind)[:n_parts]:
        draft.append(part)
    draft.close()
    return kind.draft_of(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_parts", range(4))
def test_whole_parts_are_there_again(kind, n_parts, tmp_path):
    path = tmp_path / "one"
    written(kind, path, n_parts)
    draft = kind(path, N_ROWS)
    assert draft.n_written == min(n_parts * PART_ROWS, N_ROWS)
    expected = parts_of(kind)[:n_parts]
    for part, own in zip(draft.read(), expected, strict=True):
        np.testing.assert_array_equal(dense(part), dense(own))
        assert part.dtype == own.dtype
    draft.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_cut", [1, 100])
@pytest.mark.parametrize("n_parts", [1, 2, 3])
def test_a_part_that_is_not_whole_is_written_again(kind, n_cut, n_parts, tmp_path):
    path = tmp_path / "one"
    file = written(kind, path, n_parts)
    with file.open("r+b") as content:
        content.truncate(file.stat().st_size - n_cut)
    draft = kind(path, N_ROWS)
    assert draft.n_written == (n_parts - 1) * PART_ROWS
    for part in parts_of(kind)[n_parts - 1 :]:
        draft.append(part)
    draft.finish()
    draft.close()
    if kind is ArrayParts:
        np.testing.assert_array_equal(np.load(path.with_suffix(".npy")), VALUES)
    assert not file.exists()


def test_a_header_that_is_not_whole_is_written_again(tmp_path):
    path = tmp_path / "one"
    ArrayParts.draft_of(path).write_bytes(b"\x93NUMPY\x02\x00\x76")
    draft = ArrayParts(path, N_ROWS)
    assert draft.n_written == 0
    for part in parts_of(ArrayParts):
        draft.append(part)
    draft.finish()
    draft.close()
    np.testing.assert_array_equal(np.load(path.with_suffix(".npy")), VALUES)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_taken_back_leaves_no_draft(kind, tmp_path):
    path = tmp_path / "one"
    file = written(kind, path, 2)
    found = list(kind(path, N_ROWS).take_back())
    assert len(found) == 2
    assert not file.exists()


def test_no_rows_are_an_output_too(tmp_path):
    path = tmp_path / "one"
    draft = ArrayParts(path, 0)
    draft.append(VALUES[:0])
    draft.finish()
    draft.close()
    assert np.load(path.with_suffix(".npy")).shape == (0, 3)


def test_a_pickle_is_one_part(tmp_path):
    file = written(PickledParts, tmp_path / "one", 1)
    assert pickle.loads(file.read_bytes()).shape == (PART_ROWS, 3)
