"""A server that tests have to themselves ends with them, however they end."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from portability.sandbox.process import birth
from tests.support import engines
from tests.support.dynamodb_local import ROOT

JOB = """
import sys, time
from pathlib import Path
from tests.support import engines
with engines.own(Path(sys.argv[1])).own_server("job") as running:
    print(running.pid, flush=True)
    time.sleep(600)
"""
WITHIN = 60.0


def test_a_server_ends_with_the_block_it_was_started_for(tmp_path: Path) -> None:
    mine = engines.own(tmp_path / "job")
    try:
        with mine.own_server("block") as running:
            born = birth(running.pid)
            assert born is not None
        assert birth(running.pid) != born
    finally:
        mine.end()


def test_a_server_ends_when_the_tests_are_killed_outright(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", JOB, str(tmp_path / "job")]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        server = int(job.stdout.readline())
        born = birth(server)
        assert born is not None
        job.kill()
    deadline = time.monotonic() + WITHIN
    while birth(server) == born:
        assert time.monotonic() < deadline, f"process {server} outlived the job that started it"
        time.sleep(0.1)
