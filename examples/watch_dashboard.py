"""Watch a search of half a minute in Optuna's dashboard, and in the log."""

import logging
import threading
from pathlib import Path
from wsgiref.simple_server import make_server

import optuna_dashboard
from sklearn.datasets import load_breast_cancer

from automodel import AutoClassifier

SECONDS = 30.0
FOLDER = Path("search")


class Dashboard:
    """Serves the dashboard from the first trial on, until the program ends.

    In a terminal, ``optuna-dashboard search/automodel/journal.log`` does the same.
    """

    address = None

    def __call__(self, study, trial):
        if self.address is None:
            app = optuna_dashboard.wsgi(str(FOLDER / "automodel" / "journal.log"))
            server = make_server("127.0.0.1", 0, app)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.address = f"http://127.0.0.1:{server.server_port}/"
            logging.info("The dashboard is at %s", self.address)


def main():
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    model = AutoClassifier(
        time_budget=SECONDS,
        storage=FOLDER,
        callbacks=[Dashboard()],
        random_state=0,
        verbose=2,  # a bar, and a line in the log for each trial
    )
    model.fit(X, y)
    print(f"{len(model.leaderboard_)} trials are in {FOLDER}. To look at them, run:")
    print(f"optuna-dashboard {FOLDER}/automodel/journal.log")


if __name__ == "__main__":
    main()
