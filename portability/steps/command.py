"""An operator's command: argv only and never a shell, JSON on its standard input, a scrubbed environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""What a command sees of our environment: nothing that could carry a credential."""


def run(argv: Sequence[str], facts: Mapping[str, Any], timeout: float) -> int:
    """Run a command to its end, `timeout` seconds at most; its exit code. `facts` are names, ids and counts.

    Raises `OSError` where it cannot be started, `subprocess.TimeoutExpired` where it took longer and was ended.
    """
    done = subprocess.run(
        list(argv),
        input=json.dumps(dict(facts)).encode(),
        env={name: os.environ[name] for name in KEPT if name in os.environ},
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    return done.returncode
