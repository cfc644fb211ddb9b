"""ProgressBar: one live line about a search, in a terminal or a notebook."""

from __future__ import annotations

import functools
import os
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from automodel.clock import SYSTEM_CLOCK, wall_time

if TYPE_CHECKING:
    import optuna

# `{desc}` comes last, so that a narrow terminal cuts the text and not the bar.
BAR_FORMAT = "{percentage:3.0f}%|{bar}| {desc}"
LOG_SECONDS = 10.0  # between two lines if stderr is a file or a pipe


class ProgressBar:
    """Show time, trials, the best score and what is being tried on one line of stderr.

    This is a callback for `AutoClassifier(callbacks=[...])`; `verbose=1` adds it
    automatically. A thread, which ends with the search, updates the line between
    trials.

    Parameters
    ----------
    refresh_seconds : float, default=0.5
        Seconds between two updates of the line. If stderr is a file or a pipe, at least
        ten seconds are used.
    start : float, default=None
        The moment on the system's clock at which the time budget has begun. None for
        the call of `setup`.

    Examples
    --------
    >>> from automodel.callbacks.progress import ProgressBar
    >>> bar = ProgressBar()
    >>> bar.setup(time_budget=None, n_trials=10)
    >>> bar.teardown()
    """

    def __init__(self, refresh_seconds: float = 0.5, start: float | None = None):
        self.refresh_seconds = refresh_seconds
        self.start = start
        self._live: _LiveBar | None = None

    def setup(self, *, time_budget: float | None, n_trials: int | None) -> None:
        """Open the line and start its clock."""
        self.teardown()
        start = SYSTEM_CLOCK.now() if self.start is None else self.start
        self._live = _LiveBar(self.refresh_seconds, time_budget, n_trials, start)

    def on_trial_begin(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial
    ) -> None:
        """Show the family of a trial that begins to run."""
        if self._live is not None:
            self._live.begin(trial)

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

    def __init__(self, refresh_seconds, time_budget, n_trials, start):
        self.time_budget = time_budget
        self.n_trials = n_trials
        self.statuses: Counter[str] = Counter()
        self.running: dict[int, str] = {}  # the families of trials, by their numbers
        self.best: tuple[float, str] | None = None
        self.start = start
        self._opened = SYSTEM_CLOCK.now(), wall_time()
        self._n_earlier = 0  # trials that had ended before, in an earlier fit
        self._bar, is_live = _new_bar()
        self._seconds = (
            refresh_seconds if is_live else max(refresh_seconds, LOG_SECONDS)
        )
        self._end_of_line = "" if is_live else "\n"
        self._shown = start
        self._ended = threading.Event()
        self._clock = threading.Thread(
            target=self._follow_clock, name="automodel-progress", daemon=True
        )
        self.show()
        self._clock.start()

    def begin(self, trial: optuna.trial.FrozenTrial) -> None:
        said = trial.user_attrs
        # A new dict, since the thread of the clock may be reading this one.
        self.running = {**self.running, said["number"]: said["family"]}
        self._show_if_due()

    def count(self, study_name: str, trial: optuna.trial.FrozenTrial) -> None:
        said = trial.user_attrs
        number, family = said.get("number"), said.get("family", study_name)
        self.running = {n: f for n, f in self.running.items() if n != number}
        state = trial.state.name.lower().replace("fail", "failed")
        status = said.get("status", state)
        self.statuses[status] += 1
        ended = trial.datetime_complete
        self._n_earlier += ended is not None and ended.timestamp() < self._opened[1]
        value = trial.value if status == "complete" else None
        if value is not None and (self.best is None or value > self.best[0]):
            self.best = (value, family)
        self._show_if_due()

    def close(self) -> None:
        self._ended.set()
        self._clock.join()
        # A notebook shows a bar that is closed before its end in red, like an error.
        self.show(has_ended=True)
        self._bar.close()

    def show(self, has_ended: bool = False) -> None:
        self._shown = SYSTEM_CLOCK.now()
        elapsed = self._shown - self.start
        self._bar.n = 1.0 if has_ended else self._share(elapsed)
        parts = self._parts(elapsed)
        if not has_ended:
            left = self._seconds_left(elapsed)
            parts[1:1] = [] if left is None else [f"{_duration(left)} left"]
            parts += [f"trying {_counted(self.running)}"] if self.running else []
        self._bar.set_description_str(", ".join(parts), refresh=True)
        if not has_ended:  # tqdm ends the last line
            self._bar.fp.write(self._end_of_line)

    def _show_if_due(self) -> None:
        if SYSTEM_CLOCK.now() - self._shown >= self._seconds:
            self.show()

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

    def _seconds_left(self, elapsed: float) -> float | None:
        """Return the rest of the time budget, or what the missing trials may take."""
        left = []
        if self.time_budget:
            left.append(max(self.time_budget - elapsed, 0.0))
        n_ended = self.statuses.total()
        n_own = n_ended - self._n_earlier
        if self.n_trials and n_own and n_ended < self.n_trials:
            seconds = (self.start + elapsed - self._opened[0]) / n_own
            left.append(seconds * (self.n_trials - n_ended))
        return min(left, default=None)

    def _parts(self, elapsed: float) -> list[str]:
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
        return parts


def _duration(seconds: float) -> str:
    """Return a time in the two largest units that it has.

    Examples
    --------
    >>> _duration(59.6), _duration(61), _duration(3720)
    ('1 min', '1 min 1 s', '1 h 2 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else rest, "s")]
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 s"


def _counted(running: dict[int, str]) -> str:
    """Return the families of trials, with the numbers of trials above one."""
    families = Counter(running.values())
    return ", ".join(f"{n} {name}" if n > 1 else name for name, n in families.items())


@contextmanager
def hidden_bars() -> Iterator[None]:
    """Take the bars off the terminal within the block, which may write to it."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    with _bar_class().external_write_mode(sys.stderr):
        yield


@functools.cache
def _bar_class():
    """Return the class of bars: tqdm's, without its endless monitor thread."""
    with warnings.catch_warnings():
        # Without ipywidgets tqdm falls back to text, which is right in a notebook.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    class Bar(tqdm):
        monitor_interval = 0

    # tqdm's own lock is one of multiprocessing and may start a helper process.
    Bar.set_lock(threading.RLock())
    return Bar


def _new_bar():
    """Return a bar, and whether it can be overwritten, unlike lines in a file."""
    size: dict[str, Any] = {"dynamic_ncols": True}
    if _has_size_zero(sys.stderr):
        size = {"ncols": 80, "nrows": 24}
    bar = _bar_class()(total=1.0, bar_format=BAR_FORMAT, **size)
    return bar, hasattr(bar, "container") or bar.fp.isatty()


def _has_size_zero(stream) -> bool:
    """Tell whether this is a terminal without a size, as in some containers."""
    try:
        return 0 in os.get_terminal_size(stream.fileno())
    except (AttributeError, OSError, ValueError):  # not a terminal
        return False
