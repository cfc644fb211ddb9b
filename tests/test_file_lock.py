"""Locks of files."""

from automodel.file_lock import try_lock, unlock


def test_one_handle_has_the_lock_at_a_time(tmp_path):
    path = tmp_path / "file"
    with path.open("ab") as one, path.open("ab") as other:
        assert try_lock(one)
        assert not try_lock(other)
        unlock(one)
        assert try_lock(other)


def test_a_handle_that_is_closed_has_released_it(tmp_path):
    path = tmp_path / "file"
    with path.open("ab") as one:
        assert try_lock(one)
    with path.open("ab") as other:
        assert try_lock(other)
