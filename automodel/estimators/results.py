"""ResultsMixin: the trials of a search, and the best single model."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted


class ResultsMixin:
    """Adds what a fitted estimator tells about its search."""

    # What an estimator has.
    ensemble_: Any
    _best_model: Any
    _left_out: dict[str, str]
    _params: dict[int, dict[str, Any]]
    _reader: Any
    _target: Any
    _trials: dict[str, list[dict[str, Any]]]

    @property
    def best_estimator_(self):
        """The best single model, as a fitted Pipeline."""
        check_is_fitted(self, "ensemble_")
        from sklearn.pipeline import Pipeline

        model = self._best_model
        steps = [
            ("reader", self._reader),
            ("encoder", model.encoder),
            ("model", self._target.decoded(model.estimator, model.columns)),
        ]
        return Pipeline(steps)

    @property
    def leaderboard_(self):
        """All trials as a pandas DataFrame with one row for each, the best first."""
        check_is_fitted(self, "ensemble_")
        from automodel.reporting.leaderboard import leaderboard

        trials = sum(self._trials.values(), [])
        members = self.ensemble_.members
        return leaderboard(trials, self._params, members, self._left_out)

    @property
    def studies_(self):
        """The trials of each family, as frozen trials of Optuna."""
        check_is_fitted(self, "ensemble_")
        from automodel.search.storage.frozen import frozen_trial

        return {
            name: [frozen_trial(plain) for plain in trials]
            for name, trials in self._trials.items()
        }

    @property
    def failures_(self):
        """The rows of the leaderboard for trials that failed."""
        board = self.leaderboard_
        return board[board["status"] == "failed"].reset_index(drop=True)
