"""dynamodump: the whole table to files, and from the files to a table that is there."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit


def prepared(source: str, target: str, _keys: Sequence[str], _workers: int) -> Callable[[], int]:
    """What copies the table; it does not tell how many items that were."""
    return partial(_copy, source, target)


def _copy(source: str, target: str) -> int:
    where = urlsplit(os.environ["AWS_ENDPOINT_URL_DYNAMODB"])
    with tempfile.TemporaryDirectory(prefix="portability-dump-") as folder:
        argv = [str(Path(sys.executable).with_name("dynamodump")), "--region", os.environ["AWS_REGION"]]
        argv += ["--host", str(where.hostname), "--port", str(where.port), "--dumpPath", folder]
        argv += ["--accessKey", os.environ["AWS_ACCESS_KEY_ID"], "--secretKey", os.environ["AWS_SECRET_ACCESS_KEY"]]
        argv += ["--log", "WARNING", "--srcTable", source]
        subprocess.run([*argv, "--mode", "backup"], check=True, stdout=sys.stderr)
        into = ["--destTable", target, "--dataOnly", "--noConfirm", "--skipThroughputUpdate"]
        subprocess.run([*argv, "--mode", "restore", *into], check=True, stdout=sys.stderr)
    return 0
