"""What a power cut, a kill or a poor file system may do to the files of a search."""

import json
import os
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

import pytest

from automodel.exceptions import FitWarning
from automodel.search.storage.archive import Archive
from automodel.search.storage.drafts import DRAFT_SECONDS
from tests.conftest import StubFamily
from tests.search.storage.test_memory import evaluation
from tests.search.storage.test_sharing import (
    LABELS,
    X,
    board,
    classifier,
    drafts,
    same,
    same_trials,
)

DAMAGES = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
}
AGREED = ["start.json", "search.json", "fingerprint.json"]


@pytest.fixture(params=["links", "no links"])
def links(request, monkeypatch):
    """Run a test with hard links and without."""
    if request.param == "no links":

        def link(*arguments, **keywords):
            raise OSError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", link)


def damage(path, how):
    path.write_bytes(DAMAGES[how](path.read_bytes()))


@pytest.mark.parametrize("how", ["empty", "half"])
@pytest.mark.parametrize("name", AGREED)
def test_a_damaged_file_is_told_and_done_without(tmp_path, name, how):
    params = {"random_state": None}
    first = classifier(tmp_path, n_trials=4, **params).fit(X, LABELS)
    damage(tmp_path / "automodel" / name, how)
    with pytest.warns(FitWarning, match=f"damaged and are left out: .*{name}"):
        second = classifier(tmp_path, n_trials=6, **params).fit(X, LABELS)
    assert board(second).index.tolist() == list(range(6))
    for column in ("params", "score", "status"):
        assert board(second)[column][:4].tolist() == board(first)[column].tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        third = classifier(tmp_path, n_trials=6, **params).fit(X, LABELS)
    same(second, third)
    assert drafts(tmp_path) == []


@pytest.mark.parametrize("how", ["empty", "half"])
def test_a_trial_that_has_ended_is_not_lost_with_its_file(tmp_path, how):
    first = classifier(tmp_path, n_trials=4).fit(X, LABELS)
    damage(tmp_path / "automodel" / "trials" / "2" / "trial.json", how)
    second = classifier(tmp_path, n_trials=4).fit(X, LABELS)
    same(first, second)


@pytest.mark.parametrize("how", ["empty", "half"])
def test_a_damaged_trial_that_has_not_ended_is_left_out_by_all(tmp_path, how):
    families = [StubFamily(trials=[(0.9, "plain"), (0.8, "sleep")], seconds=60)]
    params = {"families": families, "n_trials": 2, "time_budget": 1.5}
    stopped = classifier(tmp_path, **params).fit(X, LABELS)
    assert board(stopped)["status"].tolist() == ["complete", "stopped"]
    damage(tmp_path / "automodel" / "trials" / "1" / "trial.json", how)
    families = [StubFamily(trials=[(0.9, "plain"), (0.8, "sleep")], seconds=0.1)]
    params = {"families": families, "n_trials": 4, "time_budget": 60}
    for _ in range(2):
        with pytest.warns(FitWarning, match="trials/1/trial.json"):
            search = classifier(tmp_path, **params).fit(X, LABELS)
        assert board(search).index.tolist() == [0, 2, 3]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_trial_with_a_damaged_lease_is_taken_over(tmp_path, links, how):
    one, two = archives(tmp_path, 2)
    lease(one, 0)
    damage(tmp_path / "trials" / "0" / "lease-0", how)
    assert [number for number, *_ in two.news()[0]] == [0]
    assert two.take_lost([0]) == [(0, False)]
    assert two.take_lost([0]) == []
    for archive in (one, two):
        archive.leave()


def archives(folder, n_archives):
    made = [Archive(folder, "s") for _ in range(n_archives)]
    for archive in made:
        archive.enter(["stub"])
    return made


def lease(archive, number):
    import optuna

    trial = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING)
    return archive.lease(number, "stub", trial)


def test_one_alone_takes_what_was_lost(tmp_path, links):
    *others, dead = archives(tmp_path, 9)
    for number in range(8):
        assert lease(dead, number)
    dead.leave()
    taken = []

    def take(archive):
        for number, _ in archive.take_lost(range(8)):
            taken.append(number)

    threads = [threading.Thread(target=take, args=(a,)) for a in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(8))
    for archive in others:
        archive.leave()
    assert list((tmp_path / "participants").iterdir()) == []
    assert list(tmp_path.rglob(".*")) == []


def test_all_agree_at_the_same_moment(tmp_path, links):
    made = [Archive(tmp_path, "s") for _ in range(8)]
    said = []
    threads = [
        threading.Thread(target=lambda a=a, i=i: said.append(a.agree("x", {"by": i})))
        for i, a in enumerate(made)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 8
    assert all(values == said[0] for values in said)


def test_a_lease_whose_answer_was_lost_is_ones_own(tmp_path, monkeypatch):
    (archive,) = archives(tmp_path, 1)

    real = Path.rename

    def rename(self, target):
        real(self, target)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "rename", rename)
    assert lease(archive, 0)
    assert json.loads((tmp_path / "trials" / "0" / "trial.json").read_text())
    monkeypatch.undo()
    archive.leave()


def test_news_that_an_error_has_cut_are_told_later(tmp_path, monkeypatch):
    one, two = archives(tmp_path, 2)
    for number in range(3):
        lease(one, number)
    real, n_read = Archive._asked_for, []

    def fail(self, number, said):
        n_read.append(number)
        if n_read == [0, 1]:
            raise OSError(5, "Input/output error")
        return real(self, number, said)

    monkeypatch.setattr(Archive, "_asked_for", fail)
    with pytest.raises(OSError, match="Input/output"):
        two.news()
    assert [number for number, *_ in two.news()[0]] == [0, 1, 2]
    for archive in (one, two):
        archive.leave()


def test_names_that_differ_in_capitals_only_are_one_search(tmp_path):
    """On a file system that takes them for one; a link stands for it elsewhere."""
    first = classifier(tmp_path, study_name="Churn").fit(X, LABELS)
    with suppress(FileExistsError):
        (tmp_path / "churn").symlink_to(tmp_path / "Churn")
    same_trials(first, classifier(tmp_path, study_name="churn").fit(X, LABELS))


DRAFTS = {
    "agree": lambda archive: archive.agree("new", {}),
    "lease": lambda archive: lease(archive, 0),
    "take": lambda archive: archive.take_lost([0]),
    "arrays": lambda archive: archive._write_arrays(0, evaluation(0.5)),
    "enter": lambda archive: archive.participants.enter(),
}


@pytest.mark.parametrize("what", DRAFTS)
def test_what_a_killed_process_was_writing_goes(tmp_path, monkeypatch, what):
    """An error that nothing may catch stands for a kill."""

    class Kill(BaseException):
        pass

    def kill(*arguments):
        raise Kill

    left, killed, later = archives(tmp_path, 3)
    if what == "take":
        lease(left, 0)
    left.leave()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", kill)
        # What follows is not synced.
        patch.setattr("automodel.search.storage.leases.put_once", kill)
        with pytest.raises(Kill):
            DRAFTS[what](killed)
    (draft,) = tmp_path.rglob(".*")
    later.leave()
    assert draft.exists()  # of a process that lives
    other = draft.with_name(".gitignore")
    other.touch()
    os.utime(other, (1, 1))
    killed.participants._file(killed.participants.own).unlink()
    made = Archive(tmp_path, "s")
    made.enter(["stub"])
    assert draft.exists()  # of one that may not have entered yet
    long_ago = time.time() - DRAFT_SECONDS - 5
    os.utime(draft, (long_ago, long_ago))
    made.leave()
    assert not draft.exists()
    assert other.exists()
    killed.participants.leave()
