"""The temporary folder of a fit, and the folders that killed processes left."""

from __future__ import annotations

import re
import shutil
import tempfile
import zlib
from pathlib import Path

from automodel.search.process_mark import ProcessMark

NAME = re.compile(r"automodel-(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-(?P<start>[^-]*)-.*")


def make_folder() -> Path:
    """Make a temporary folder named after this process; remove those of dead ones.

    A process that is killed cannot remove its folder. The next fit on the machine does.
    """
    own = ProcessMark.current()
    for path in Path(tempfile.gettempdir()).glob(f"automodel-{_short(own.host)}-*"):
        found = NAME.fullmatch(path.name)
        if found is None:
            continue
        process = ProcessMark(own.host, int(found["pid"]), found["start"])
        if process.lives is False:
            shutil.rmtree(path, ignore_errors=True)
    prefix = f"automodel-{_short(own.host)}-{own.pid}-{own.start}-"
    return Path(tempfile.mkdtemp(prefix=prefix))


def _short(host: str) -> str:
    return f"{zlib.crc32(host.encode()):08x}"
