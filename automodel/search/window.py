"""Optuna's storage in memory and its study, as a search asks and tells them."""

from __future__ import annotations

import bisect
import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.trial import TrialState


class WindowStorage(optuna.storages.InMemoryStorage):
    """Trials in memory, some of which can be hidden from a sampler."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[int] = []  # ids, in order
        self._askers: set[int] = set()  # threads; callbacks in others see all

    @contextmanager
    def window(self) -> Iterator[None]:
        """Keep hidden trials from this thread within the block."""
        self._askers.add(threading.get_ident())
        try:
            yield
        finally:
            self._askers.remove(threading.get_ident())

    def hide(self, trial_id: int) -> None:
        """Hide a trial, which only a window takes notice of."""
        place = bisect.bisect_left(self._shown, trial_id)
        if self._shown[place : place + 1] == [trial_id]:
            del self._shown[place]

    def create_new_trial(self, study_id, template_trial=None):
        """Make a trial and return its id."""
        trial_id = super().create_new_trial(study_id, template_trial)
        self._shown.append(trial_id)
        return trial_id

    def get_all_trials(self, study_id, deepcopy=True, states=None):
        """Return the trials of a study; within a window, those that are not hidden."""
        is_asker = threading.get_ident() in self._askers
        if not is_asker or states == (TrialState.WAITING,):  # which are never hidden
            return super().get_all_trials(study_id, deepcopy, states)
        trials = [self.get_trial(trial_id) for trial_id in self._shown]
        if states is not None:
            trials = [trial for trial in trials if trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def fill(
        self, trial_id: int, reports: dict[int, float], attributes: dict[str, Any]
    ) -> None:
        """Set the reports and the attributes of a trial.

        Optuna's setters copy the trial for each value. `get_trial` returns the stored
        trial itself.
        """
        trial = self.get_trial(trial_id)
        trial.intermediate_values.update(reports)
        trial.user_attrs = {**trial.user_attrs, **attributes}


class StoppableStudy(optuna.Study):
    """A study that can be stopped where it is asked and told.

    Optuna's own study raises a RuntimeError outside of `optimize`.
    """

    is_stopped = False

    def stop(self) -> None:
        """Ask the search to end."""
        self.is_stopped = True
