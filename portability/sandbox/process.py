"""Which process is meant: a pid alone is reused by the system, a pid with its start time is not."""

from __future__ import annotations

import subprocess
from pathlib import Path

_PROC = Path("/proc")


def birth(pid: int) -> str | None:
    """When the live process `pid` was started, as an opaque string to compare; None when it is gone or a zombie."""
    if not _PROC.joinpath("self", "stat").exists():
        return _birth_by_ps(pid)
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the command may contain spaces and brackets
    state, start_ticks = fields[0], fields[19]
    if state in {"Z", "X"}:
        return None
    boot = _PROC.joinpath("sys", "kernel", "random", "boot_id")
    return f"{boot.read_text(encoding='ascii').strip() if boot.exists() else ''}:{start_ticks}"


def _birth_by_ps(pid: int) -> str | None:
    argv = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
    state, _, started = done.stdout.strip().partition(" ")
    return started.strip() if done.returncode == 0 and not state.startswith("Z") else None
