"""TensorBoardTracker: one folder of TensorBoard for each trial of a fit."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automodel.callbacks.tracker import FitFacts, TrackedFit, Tracker
from automodel.clock import wall_time
from automodel.exceptions import MissingLibraryError
from automodel.reporting.one_line import one_line
from automodel.reporting.trials import curve_of

if TYPE_CHECKING:
    import optuna

MOST_NAME, MOST_TEXT = 60, 500  # characters, of a folder and of a parameter
STATUSES = {"complete": "SUCCESS", "failed": "FAILURE"}  # others: UNKNOWN


class TensorBoardTracker(Tracker):
    """Show the trials of a fit in TensorBoard.

    It is given as ``callbacks=[TensorBoardTracker("runs")]``. Each fit makes a folder
    in `log_dir`, and each trial that ends makes one folder therein, which is a run of
    TensorBoard. It holds the parameters for the page "HParams", the score, the seconds,
    the learning curve, and the error of a trial that has failed.

    The files are written in a thread. If that is impossible, the fit warns once when it
    ends, and is otherwise the same.

    Parameters
    ----------
    log_dir : str or Path
        The folder that ``tensorboard --logdir`` is given.
    run_name : str, default=None
        Name of the folder of a fit. None is the time at which it begins. A number is
        added if the folder exists.

    See Also
    --------
    automodel.callbacks.MLflowTracker : Shows fits in MLflow.

    Notes
    -----
    The learning curve consists of what a trial reported after 1, 2, 4, 8 and so on
    steps of its first fold. Each family has a plot of its own, since some report the
    score and others their loss; greater is better. The score and the seconds are
    plotted over the numbers of the trials.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from automodel import AutoClassifier
    >>> from automodel.callbacks import TensorBoardTracker
    >>> X, y = load_iris(return_X_y=True)
    >>> search = AutoClassifier(families=["linear"], n_trials=2, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tracker = TensorBoardTracker(folder, run_name="iris")
    ...     search = search.set_params(callbacks=[tracker]).fit(X, y)
    ...     sorted(path.name for path in Path(folder, "iris").iterdir())
    ['0000-linear', '0001-linear']
    """

    def __init__(self, log_dir: str | PathLike[str], run_name: str | None = None):
        self.log_dir = log_dir
        self.run_name = run_name

    def track(self, fit: FitFacts) -> TrackedFit:
        """Return what writes the files of a fit.

        Raises
        ------
        MissingLibraryError
            If TensorBoard is not installed.
        """
        if find_spec("tensorboard") is None:
            raise MissingLibraryError(
                "TensorBoardTracker needs the library tensorboard. Run: "
                'pip install "sklearn-automodel[tensorboard]"'
            )
        return _TensorBoardFit(Path(self.log_dir), self.run_name, fit.metric_name)


class _TensorBoardFit(TrackedFit):
    """The folder of one fit."""

    def __init__(self, log_dir: Path, run_name: str | None, metric_name: str):
        self._log_dir = log_dir
        self._began = wall_time()
        moment = datetime.fromtimestamp(self._began)
        self._name = run_name or f"{moment:%Y-%m-%d_%H-%M-%S}"
        self._score_tag = f"score/{one_line(metric_name, MOST_TEXT)}"

    def begin(self) -> None:
        """Make the folder."""
        self._folder = _new_folder(self._log_dir, _file_name(self._name))

    def log_trial(self, trial: optuna.trial.FrozenTrial) -> None:
        """Write the file of a trial at once; it replaces that of an earlier run."""
        said = trial.user_attrs
        name = _file_name(f"{said['number']:04}-{said['family']}")
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        draft = folder / "draft"
        # The table of parameters has room for the beginning of a title.
        title = f"{name} of {self._folder.name}"
        draft.write_bytes(_records(trial, title, self._score_tag))
        draft.replace(folder / f"events.out.tfevents.{self._began:.0f}.automodel")

    def finish(self, estimator: Any | None) -> None:
        """Do nothing: the file of each trial is complete."""


def _new_folder(parent: Path, name: str) -> Path:
    """Make a folder that did not exist, also if other processes do the same."""
    parent.mkdir(parents=True, exist_ok=True)
    for i in itertools.count(1):
        folder = parent / (name if i == 1 else f"{name}-{i}")
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError("unreachable")


def _file_name(text: str) -> str:
    """Return a text as a name that all file systems take."""
    return re.sub(r"[^\w.-]+", "_", text).strip("._-")[:MOST_NAME] or "_"


def _records(trial: optuna.trial.FrozenTrial, title: str, score_tag: str) -> bytes:
    """Return the content of the events file of a trial."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    ended = _seconds(trial.datetime_complete, wall_time())
    began = _seconds(trial.datetime_start, ended)
    stream = io.BytesIO()
    writer = RecordWriter(stream)
    # With this version, TensorBoard takes steps in any order.
    version = Event(wall_time=began, file_version="brain.Event:2")
    writer.write(version.SerializeToString())
    start, end = _session_start(trial, title, began), _session_end(trial, ended)
    for step, value in [(0, start), *_values(trial, score_tag), (0, end)]:
        summary = Summary(value=[value])
        event = Event(wall_time=ended, step=step, summary=summary)
        writer.write(event.SerializeToString())
    return stream.getvalue()


def _values(
    trial: optuna.trial.FrozenTrial, score_tag: str
) -> Iterator[tuple[int, Any]]:
    """Yield steps, and what is known after them as `Summary.Value`.

    The plugin of parameters shows the last value of each tag, in their order.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary

    said = trial.user_attrs
    number, family = said["number"], one_line(said["family"], MOST_TEXT)
    if said["status"] == "complete":
        yield number, Summary.Value(tag=score_tag, simple_value=trial.value)
    yield number, Summary.Value(tag="seconds", simple_value=said["seconds"])
    for step, value in curve_of(trial.intermediate_values):
        yield step, Summary.Value(tag=f"training/{family}", simple_value=value)
    if said["error"]:
        yield number, _text_value("error", said["error"])


def _session_start(trial: optuna.trial.FrozenTrial, title: str, began: float) -> Any:
    """Return the parameters of a trial, as the beginning of a session."""
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    data = HParamsPluginData()
    start = data.session_start_info
    start.group_name, start.start_time_secs = title, began
    for name, value in {**trial.params, "family": trial.user_attrs["family"]}.items():
        _set(start.hparams[one_line(name, MOST_TEXT)], value)
    return _session_value(metadata.SESSION_START_INFO_TAG, data)


def _session_end(trial: optuna.trial.FrozenTrial, ended: float) -> Any:
    """Return the status of a trial, as the end of a session."""
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    data = HParamsPluginData()
    status = STATUSES.get(trial.user_attrs["status"], "UNKNOWN")
    data.session_end_info.status = api_pb2.Status.Value(f"STATUS_{status}")
    data.session_end_info.end_time_secs = ended
    return _session_value(metadata.SESSION_END_INFO_TAG, data)


def _session_value(tag: str, data: Any) -> Any:
    """Return the beginning or the end of a session for the plugin of parameters.

    `SummaryWriter.add_hparams` writes them to a run of its own, which the plugin does
    not need (pytorch#37738).
    """
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    return Summary.Value(
        tag=tag,
        metadata=metadata.create_summary_metadata(data),
        tensor=metadata.NULL_TENSOR,
    )


def _set(field: Any, value: Any) -> None:
    """Set a parameter: a bool, a finite number, or text."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool):
        field.bool_value = value
    elif isinstance(value, int | float) and math.isfinite(value):
        field.number_value = value  # JSON has no other numbers
    else:
        field.string_value = one_line(value, MOST_TEXT)


def _text_value(tag: str, text: str) -> Any:
    """Return a text for the plugin of texts, which shows Markdown."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    plugin = SummaryMetadata.PluginData(plugin_name="text")
    indented = "".join(f"    {line}\n" for line in text.splitlines())  # a code block
    content = indented.encode("utf-8", "replace")
    return Summary.Value(
        tag=tag,
        metadata=SummaryMetadata(plugin_data=plugin),
        tensor=TensorProto(dtype=DT_STRING, string_val=[content]),
    )


def _seconds(moment: datetime | None, default: float) -> float:
    return default if moment is None else moment.timestamp()
