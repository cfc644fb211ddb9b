"""Ledger: the ended trials of a search in a storage of Optuna."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial

MOST_SECONDS = 10.0  # for one call, before the storage is taken to be gone


class Ledger:
    """One study a family, and one write a trial: it is added when it has ended.

    So no trial is ever left running there, and a trial is in it in full or not at all.

    Parameters
    ----------
    storage : optuna.storages.BaseStorage
        Journal, database, or a proxy of one.
    study_name : str
        Studies are named "{study_name}-{family}".

    Notes
    -----
    Calls run in a thread of their own: a server that does not answer takes 10 seconds
    at most, where Optuna and the driver of a database would wait for minutes.
    """

    def __init__(self, storage: optuna.storages.BaseStorage, study_name: str):
        self.storage = storage
        self.study_name = study_name
        self._studies: dict[str, optuna.Study] = {}
        self._n_read: dict[str, int] = {}

    def open(self, families: Sequence[str], search: str) -> None:
        """Find or create the studies of the search with this id.

        Raises
        ------
        TimeoutError
            If the storage does not answer.
        ValueError
            If studies of these names belong to another search.
        """

        def open_all() -> None:
            for name in families:
                self._open_one(name, search)

        within(open_all)

    def add(self, family: str, trial: FrozenTrial) -> None:
        """Write an ended trial."""
        study = self._studies[family]
        within(lambda: self.storage.create_new_trial(study._study_id, trial))

    def news(self) -> Iterator[tuple[str, FrozenTrial]]:
        """Yield the families and trials that were added since the last call."""
        read = within(
            lambda: {
                name: self.storage.get_all_trials(study._study_id, deepcopy=False)
                for name, study in self._studies.items()
            }
        )
        for name, trials in read.items():
            for trial in trials[self._n_read[name] :]:
                if "number" in trial.user_attrs:
                    yield name, trial
            self._n_read[name] = len(trials)

    def _open_one(self, family: str, search: str) -> None:
        name = f"{self.study_name}-{family}"
        study = optuna.create_study(
            storage=self.storage,
            study_name=name,
            direction="maximize",
            load_if_exists=True,
        )
        owner = study.user_attrs.get("search")
        if owner is None:
            study.set_user_attr("search", search)
        elif owner != search:
            raise ValueError(
                f"The study {name!r} of the storage belongs to another search, or its "
                "folder was replaced. Give another study_name, or the folder that "
                "the search was begun with."
            )
        self._studies[family], self._n_read[family] = study, 0


def within(call: Callable[[], Any]) -> Any:
    """Return `call()`, or raise TimeoutError if it takes longer than 10 seconds.

    The call goes on in its thread, which ends with the process.
    """
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = call()
        except BaseException as error:  # noqa: BLE001  raised in the caller
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(MOST_SECONDS)
    if "error" in outcome:
        raise outcome["error"]
    if "value" not in outcome:
        raise TimeoutError(f"no answer within {MOST_SECONDS:.0f} s")
    return outcome["value"]
