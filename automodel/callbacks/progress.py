"""ProgressBar: one live line about a search, in a terminal or a notebook."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

from automodel.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    import optuna

# `{desc}` comes last, so that a narrow terminal cuts the text and not the bar.
BAR_FORMAT = "{percentage:3.0f}%|{bar}| {desc}"
LOG_SECONDS = 10.0  # between two lines if stderr is a file or a pipe


class ProgressBar:
    """Show time, trials and the best score of a search on one line of stderr.

    This is a callback for `AutoClassifier(callbacks=[...])`; `verbose=1` adds it
    automatically. A thread, which ends with the search, updates the line between
    trials.

    Parameters
    ----------
    refresh_seconds : float, default=0.5
        Seconds between two updates of the line. If stderr is a file or a pipe, at least
        ten seconds are used.

    Examples
    --------
    >>> from automodel.callbacks.progress import ProgressBar
    >>> bar = ProgressBar()
    >>> bar.setup(time_budget=None, n_trials=10)
    >>> bar.teardown()
    """

    def __init__(self, refresh_seconds: float = 0.5):
        self.refresh_seconds = refresh_seconds
        self._live: _LiveBar | None = None

    def setup(self, *, time_budget: float | None, n_trials: int | None) -> None:
        """Open the line and start its clock."""
        self.teardown()
        self._live = _LiveBar(self.refresh_seconds, time_budget, n_trials)

    def __call__(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        """Count a finished trial."""
        if self._live is not None:
            self._live.count(study.study_name, trial)

    def teardown(self) -> None:
        """Close the line, if it is open."""
        live, self._live = self._live, None
        if live is not None:
            live.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_live": None}


class _LiveBar:
    """The state of a bar between setup and teardown."""

    def __init__(self, refresh_seconds, time_budget, n_trials):
        self.time_budget = time_budget
        self.n_trials = n_trials
        self.statuses: Counter[str] = Counter()
        self.best: tuple[float, str] | None = None
        self.start = SYSTEM_CLOCK.now()
        self._bar, self._seconds = _new_bar(refresh_seconds)
        self._shown = self.start
        self._ended = threading.Event()
        self._clock = threading.Thread(
            target=self._follow_clock, name="automodel-progress", daemon=True
        )
        self.show()
        self._clock.start()

    def count(self, study_name: str, trial: optuna.trial.FrozenTrial) -> None:
        family = trial.user_attrs.get("family", study_name)
        state = trial.state.name.lower().replace("fail", "failed")
        status = trial.user_attrs.get("status", state)
        self.statuses[status] += 1
        value = trial.value if status == "complete" else None
        if value is not None and (self.best is None or value > self.best[0]):
            self.best = (value, family)
        if SYSTEM_CLOCK.now() - self._shown >= self._seconds:
            self.show()

    def close(self) -> None:
        self._ended.set()
        self._clock.join()
        # A notebook shows a bar that is closed before its end in red, like an error.
        self.show(share=1.0)
        self._bar.close()

    def show(self, share: float | None = None) -> None:
        self._shown = SYSTEM_CLOCK.now()
        elapsed = self._shown - self.start
        self._bar.n = self._share(elapsed) if share is None else share
        self._bar.set_description_str(self._text(elapsed), refresh=True)

    def _follow_clock(self) -> None:
        while not self._ended.wait(self._seconds):
            self.show()

    def _share(self, elapsed: float) -> float:
        """Return the share that is done, of the time or of the trials if greater."""
        shares = [0.0]
        if self.time_budget:
            shares.append(elapsed / self.time_budget)
        if self.n_trials:
            shares.append(self.statuses.total() / self.n_trials)
        return min(max(shares), 1.0)

    def _text(self, elapsed: float) -> str:
        seconds = f"{elapsed:.0f}"
        if self.time_budget:
            seconds += f"/{self.time_budget:.0f}"
        n_ended = self.statuses.total()
        trials = f"{n_ended}"
        if self.n_trials:  # a storage may hold more
            trials += f"/{max(self.n_trials, n_ended)}"
        parts = [f"{seconds} s", f"{trials} trials"]
        for status in ("pruned", "failed"):
            if self.statuses[status]:
                parts.append(f"{self.statuses[status]} {status}")
        if self.best is not None:
            parts.append(f"best {self.best[0]:.5g} ({self.best[1]})")
        return ", ".join(parts)


def _new_bar(refresh_seconds: float):
    """Return a tqdm bar without tqdm's endless monitor thread, and its interval."""
    with warnings.catch_warnings():
        # Without ipywidgets tqdm falls back to text, which is right in a notebook.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    class Bar(tqdm):
        monitor_interval = 0

    # tqdm's own lock is one of multiprocessing and may start a helper process.
    Bar.set_lock(threading.RLock())
    size: dict[str, Any] = {"dynamic_ncols": True}
    if _has_size_zero(sys.stderr):
        size = {"ncols": 80, "nrows": 24}
    bar = Bar(total=1.0, bar_format=BAR_FORMAT, **size)
    is_live = hasattr(bar, "container") or bar.fp.isatty()
    return bar, refresh_seconds if is_live else max(refresh_seconds, LOG_SECONDS)


def _has_size_zero(stream) -> bool:
    """Tell whether this is a terminal without a size, as in some containers."""
    try:
        return 0 in os.get_terminal_size(stream.fileno())
    except (AttributeError, OSError, ValueError):  # not a terminal
        return False
