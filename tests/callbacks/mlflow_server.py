"""A real server of MLflow, with SQLite, on this machine."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress

from tests.conftest import environment, wait_until

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight more processes
}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class MLflowServer:
    def __init__(self, folder):
        port = free_port()
        self.uri = f"http://127.0.0.1:{port}"
        self._log = (folder / "server.log").open("w")
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
        command += ["--artifacts-destination", str(folder / "artifacts")]
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(**QUIET),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self):
        assert wait_until(self.answers), (self._log.name, self._process.poll())

    def answers(self):
        with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health") as answer:
            return answer.status == 200
        return False

    def kill(self):
        """Kill the server and its workers, as a machine that loses power."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()
