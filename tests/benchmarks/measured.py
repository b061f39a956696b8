"""What a process costs: CPU seconds, user and system, and the most memory it held."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.dynamodb_local import ROOT

REGION = "us-east-1"


@dataclass(frozen=True)
class Stopwatch:
    """Seconds of wall and of this process's CPU (its children's too, once they ended) since it was started."""

    wall: float
    cpu: float

    @classmethod
    def started(cls) -> Stopwatch:
        """Now."""
        return cls(time.monotonic(), cpu_seconds())

    def read(self) -> tuple[float, float]:
        """(seconds, CPU seconds) since."""
        return time.monotonic() - self.wall, cpu_seconds() - self.cpu


def cpu_seconds() -> float:
    """User and system time of this process and of its children that ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def peak_rss_mb() -> float:
    """The most memory this process, or the largest of its children that ended, held at once, in 10^6 bytes."""
    kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss begins with what the parent held when it started this process
        (line,) = (line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        kilobytes = max(kilobytes, int(line.split()[1]))
    else:
        kilobytes = max(kilobytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    return kilobytes * 1024 / 1e6


def environment(endpoint: str, ca_bundle: Path | None = None, *, key: str = "benchmark") -> dict[str, str]:
    """What points any AWS client at an endpoint of this machine, and at nothing else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PORTABILITY_"))}
    made = {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONPATH": str(ROOT),
    }
    return kept | made | ({} if ca_bundle is None else {"AWS_CA_BUNDLE": str(ca_bundle)})


def told(argv: Sequence[str], env: Mapping[str, str], *, timeout: float = 1200.0) -> dict[str, Any]:
    """Run a process to its end; the JSON object that it printed last. Raises RuntimeError with what it said."""
    done = subprocess.run(argv, env=dict(env), cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        message = f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        raise RuntimeError(message)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def python(*module_and_arguments: str) -> list[str]:
    """The argv of a module of this tree."""
    return [sys.executable, "-m", *module_and_arguments]
