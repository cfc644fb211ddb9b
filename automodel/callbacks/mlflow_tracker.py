"""MLflowTracker: a run of MLflow for a fit, with a run inside it for each trial."""

from __future__ import annotations

import importlib
import itertools
import json
import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import joblib

from automodel.autologging import is_autologging_a_fit
from automodel.callbacks.tracker import FitFacts, TrackedFit, Tracker
from automodel.clock import Deadline, wall_time
from automodel.exceptions import MissingLibraryError
from automodel.quiet import no_warnings
from automodel.reporting.one_line import one_line
from automodel.reporting.trials import curve_of

if TYPE_CHECKING:
    import optuna

ANSWER_SECONDS = 5.0  # after which a server that says nothing is gone
MOST_NAME, MOST_PARAM, MOST_TAG = 250, 6000, 5000  # characters that MLflow takes
MOST_METRICS, MOST_OTHERS = 800, 100  # in a call; parameters and tags are others
STATUSES = {"complete": "FINISHED", "failed": "FAILED"}  # others: KILLED
DATA = ("X", "y", "sample_weight", "groups")  # in a fingerprint
OWNER = "automodel.estimator"  # tag of a run that is that of a fit
PARENT = "mlflow.parentRunId"
DRAWING = (  # what a report needs
    "matplotlib.figure",
    "matplotlib.backends.backend_svg",
    "automodel.reporting.page.report",
)


class MLflowTracker(Tracker):
    """Show a fit in MLflow, as one run with a run inside it for each trial.

    It is given as ``callbacks=[MLflowTracker()]``, and is used without being given
    after ``mlflow.autolog()`` or ``mlflow.sklearn.autolog()``.

    Everything is sent in a thread. If the server is slow, does not answer or refuses
    something, the fit warns once when it ends, and is otherwise the same.

    Parameters
    ----------
    experiment_name : str, default=None
        Name of the experiment, which is created if there is none. None is the one that
        is active in MLflow.
    run_name : str, default=None
        Name of the run. MLflow chooses one if it is None.
    tracking_uri : str, default=None
        Address of the server or the database. None is the one that is set in MLflow.
    tags : dict of str to str, default=None
        Tags of the run.
    log_model : bool, default=True
        Whether the model is logged, with a few rows of X as its input example.
    log_report : bool, default=True
        Whether the report is logged, which takes a second or more.

    Notes
    -----
    The run of the fit has the parameters of the estimator, the scores, the seconds of
    each stage, the leaderboard, the report, and the fingerprint of the data. The runs
    of trials have their parameters, scores, seconds, statuses and learning curves. A
    trial that was pruned or stopped is "killed" in MLflow.

    If a run of MLflow is active where `fit` is called, it is the run of the fit, and
    stays active. If it belongs to an earlier fit or to another estimator, the run of
    the fit is inside it.

    The model is logged as "model" and loaded by ``mlflow.pyfunc.load_model`` or
    ``mlflow.sklearn.load_model``. It contains a pickle, which can run any code when it
    is loaded.

    See Also
    --------
    automodel.callbacks.TensorBoardTracker : Shows the trials in TensorBoard.

    Examples
    --------
    >>> from automodel import AutoClassifier
    >>> from automodel.callbacks import MLflowTracker
    >>> tracker = MLflowTracker("churn", tracking_uri="http://localhost:5000")
    >>> model = AutoClassifier(time_budget=60, callbacks=[tracker])
    """

    def __init__(
        self,
        experiment_name: str | None = None,
        *,
        run_name: str | None = None,
        tracking_uri: str | None = None,
        tags: Mapping[str, str] | None = None,
        log_model: bool = True,
        log_report: bool = True,
    ):
        self.experiment_name = experiment_name
        self.run_name = run_name
        self.tracking_uri = tracking_uri
        self.tags = tags
        self.log_model = log_model
        self.log_report = log_report

    def track(self, fit: FitFacts) -> TrackedFit:
        """Return what logs a fit.

        Raises
        ------
        MissingLibraryError
            If MLflow is not installed.
        """
        if find_spec("mlflow") is None:
            raise MissingLibraryError(
                "MLflowTracker needs the library mlflow. Run: "
                'pip install "sklearn-automodel[mlflow]"'
            )
        return _MLflowFit(self, fit)


class _MLflowFit(TrackedFit):
    """The run of one fit, and those of its trials."""

    def __init__(self, tracker: MLflowTracker, fit: FitFacts):
        self._tracker, self._fit = tracker, fit
        self._uri = tracker.tracking_uri or ""  # until it is known
        self._active_id: str | None = None
        self._is_inside = False  # a fit of another estimator that MLflow follows
        self._is_of_user = False  # the run of the fit
        self._best = -math.inf
        self._client: Any = None
        if "mlflow" in sys.modules:  # else no run can be active
            self._look_around()

    def _look_around(self) -> None:
        """Find the server, and the run that is active in the thread of the fit."""
        import mlflow

        usual = mlflow.get_tracking_uri()
        self._uri = self._uri or usual
        active = mlflow.active_run()
        if active is not None and self._uri == usual:
            self._active_id = active.info.run_id
            self._is_inside = is_autologging_a_fit()

    def begin(self) -> None:
        """Open the run of the fit, and log the parameters of the estimator."""
        with no_warnings():  # of MLflow about itself
            import mlflow.pyfunc
            import mlflow.sklearn

        self._uri = self._uri or mlflow.get_tracking_uri()
        self._client = mlflow.MlflowClient(self._uri)
        self._check_server()
        known = self._open_run()
        estimator = self._fit.estimator
        params = estimator.get_params(deep=False)
        for name in {"callbacks", "verbose", *known} & params.keys():
            del params[name]
        cls = type(estimator)
        tags = {
            OWNER: cls.__name__,
            "estimator_name": cls.__name__,
            "estimator_class": f"{cls.__module__}.{cls.__qualname__}",
            "metric": self._fit.metric_name,
            "task": self._fit.task.kind,
        }
        self._log(self._run_id, params=params, tags=tags)
        self._prepare()

    def _prepare(self) -> None:
        """Load what the end of the fit needs, while the search runs.

        What fails here fails at the end again, and is reported then.
        """
        if self._tracker.log_model:
            from automodel.callbacks.mlflow_model import prepare

            with suppress(Exception):
                prepare()
        for name in DRAWING if self._logs_report else ():
            with suppress(ImportError):
                importlib.import_module(name)

    @property
    def _logs_report(self) -> bool:
        has_libraries = all(map(find_spec, ("jinja2", "matplotlib")))
        return self._tracker.log_report and has_libraries

    def log_trial(self, trial: optuna.trial.FrozenTrial) -> None:
        """Log the run of a trial."""
        self._check_server()
        said = trial.user_attrs
        number, status = said["number"], said["status"]
        tags = {"number": number, "family": said["family"], "status": status}
        if said["error"]:
            tags["error"] = said["error"]
        run_id = self._new_run(
            f"{number:04}-{said['family']}",
            {PARENT: self._run_id, **_texts(tags, MOST_TAG)},
            trial.datetime_start,
        )
        metrics = [
            ("seconds", said["seconds"], 0),
            ("predict_seconds", said.get("predict_seconds", math.nan), 0),
            *(("fold_score", score, i) for i, score in enumerate(said["fold_scores"])),
            *(
                ("learning_curve", value, step)
                for step, value in curve_of(trial.intermediate_values)
            ),
        ]
        score = trial.value if status == "complete" else None
        if score is not None:
            metrics.append(("score", score, 0))
        self._log(run_id, metrics=metrics, params=trial.params)
        self._end(run_id, STATUSES.get(status, "KILLED"), trial.datetime_complete)
        if score is not None and score > self._best:
            self._best = score
            self._log(self._run_id, metrics=[("best_trial_score", self._best, number)])

    def finish(self, estimator: Any | None) -> None:
        """Log the scores, the model and the report, and end the run of the fit."""
        steps: list[Callable[[Any], object]] = [
            self._log_scores,
            self._log_model,
            self._log_leaderboard,
            self._log_data,
            self._log_report,
        ]
        errors = []
        for step in steps if estimator is not None else ():
            self._check_server()
            try:
                step(estimator)
            except Exception as error:  # noqa: BLE001  the others are still logged
                errors.append(error)
        if not self._is_of_user:
            self._end(self._run_id, "FAILED" if estimator is None else "FINISHED")
        if errors:
            raise errors[0]

    def _log_scores(self, estimator: Any) -> None:
        low, high = estimator.expected_score_interval_
        scores = {
            "best_score": estimator.best_score_,
            "expected_score": estimator.expected_score_,
            "expected_score_low": low,
            "expected_score_high": high,
            "n_members": len(estimator.ensemble_.members),
        }
        for stage, seconds in estimator.fit_report_.items():
            scores[f"seconds/{stage}"] = seconds
        self._log(self._run_id, metrics=[(*score, 0) for score in scores.items()])

    def _log_model(self, estimator: Any) -> None:
        if self._tracker.log_model:
            from automodel.callbacks.mlflow_model import log_model

            log_model(
                self._client, self._experiment_id, self._run_id, estimator, self._fit
            )

    def _log_leaderboard(self, estimator: Any) -> None:
        board = estimator.leaderboard_.to_csv()
        self._client.log_text(self._run_id, board, "leaderboard.csv")

    def _log_report(self, estimator: Any) -> None:
        if self._logs_report:
            page = estimator.report().html
            self._client.log_text(self._run_id, page, "report.html")

    def _log_data(self, estimator: Any) -> None:
        """Log what identifies the data, without any of their values."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        fingerprint, task = self._fit.fingerprint(), self._fit.task
        dataset = Dataset(
            name="training data",
            digest=joblib.hash([fingerprint[name] for name in DATA]),
            source_type="code",
            source=json.dumps({"tags": {}}),
            profile=json.dumps({"n_samples": task.n_samples, "kind": task.modality}),
        )
        tags = [InputTag("mlflow.data.context", "training")]
        self._client.log_inputs(self._run_id, [DatasetInput(dataset, tags)])
        self._client.log_dict(self._run_id, fingerprint, "fingerprint.json")

    def _open_run(self) -> Collection[str]:
        """Choose the run of the fit, and return the parameters that it has already."""
        tags = _texts(self._tracker.tags or {}, MOST_TAG)
        if self._active_id is None:
            name = self._tracker.experiment_name
            self._experiment_id = _experiment_id(self._client, name, self._uri)
        else:
            active = self._client.get_run(self._active_id)
            self._experiment_id = active.info.experiment_id
            if not self._is_inside and OWNER not in active.data.tags:
                self._run_id, self._is_of_user = self._active_id, True
                self._log(self._run_id, tags=tags)
                return active.data.params
            tags[PARENT] = self._active_id
        from mlflow.tracking.context.registry import resolve_tags

        self._run_id = self._new_run(self._tracker.run_name, resolve_tags(tags))
        return ()

    def _new_run(
        self, name: str | None, tags: dict[str, str], began: datetime | None = None
    ) -> str:
        moment = _milliseconds(began)
        run = self._client.create_run(self._experiment_id, moment, tags, run_name=name)
        return run.info.run_id

    def _log(
        self,
        run_id: str,
        *,
        metrics: Iterable[tuple[str, float, int]] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """Log in one call; metrics are names, values and steps."""
        from mlflow.entities import Metric, Param, RunTag

        now = _milliseconds(None)
        points = [
            Metric(name, float(value), now, step)
            for name, value, step in metrics
            if math.isfinite(value)
        ]
        self._client.log_batch(
            run_id,
            points[:MOST_METRICS],
            [Param(*pair) for pair in _texts(params or {}, MOST_PARAM).items()],
            [RunTag(*pair) for pair in _texts(tags or {}, MOST_TAG).items()],
        )

    def _end(self, run_id: str, status: str, ended: datetime | None = None) -> None:
        """End a run. `MlflowClient.set_terminated` also prints where the run is."""
        from mlflow.entities import RunStatus

        store = self._client._tracking_client.store
        code = RunStatus.from_string(status)
        store.update_run_info(run_id, code, _milliseconds(ended), None)

    def _check_server(self) -> None:
        """Raise an error if the server is gone, for which MLflow would try for minutes.

        Raises
        ------
        ConnectionError
            If the server does not answer at once.
        """
        if not self.answers(Deadline.after(ANSWER_SECONDS)):
            raise ConnectionError(f"{self._uri} does not answer.")

    def answers(self, end: Deadline) -> bool:
        """Tell whether the server answers in time; a database and files always do."""
        if self._client is None or not self._uri.startswith(("http://", "https://")):
            return True
        from mlflow.exceptions import MlflowException
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        try:
            http_request(
                get_default_host_creds(self._uri),
                "/health",
                "GET",
                max_retries=0,
                timeout=max(min(end.seconds_left, ANSWER_SECONDS), 0.1),
                raise_on_status=False,
            )
        except MlflowException:
            return False
        return True


def _experiment_id(client: Any, name: str | None, uri: str) -> str:
    """Return the id of an experiment, which is created if there is none."""
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.tracking.fluent import _get_experiment_id

    if name is None:
        own = _get_experiment_id() if uri == mlflow.get_tracking_uri() else None
        return own or "0"
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name)
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:  # another fit has not created it either
                raise
    if found.lifecycle_stage == "deleted":
        raise ValueError(
            f"The experiment {name!r} of MLflow was deleted. Restore it in MLflow, or "
            "choose another name."
        )
    return found.experiment_id


def _texts(values: Mapping[str, Any], most: int) -> dict[str, str]:
    """Return names and values as texts that MLflow takes, and as many as it takes."""
    texts = {
        re.sub(r"[^\w\-. /:]", "_", str(name))[:MOST_NAME]: one_line(value, most)
        for name, value in values.items()
    }
    return dict(itertools.islice(texts.items(), MOST_OTHERS))


def _milliseconds(moment: datetime | None) -> int:
    seconds = wall_time() if moment is None else moment.timestamp()
    return int(1000 * seconds)
