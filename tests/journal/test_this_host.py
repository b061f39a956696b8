"""Whether a process is certainly gone, as this machine tells it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from portability.journal import lease
from portability.journal.lease import ThisHost, this_holder
from portability.model.run import Lease
from tests.journal.world import (
    eventually,
    header,
    holder,
)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="tells processes apart by /proc")
def test_this_process_lives_and_one_that_ended_is_gone() -> None:
    me = this_holder("ana@here")
    assert me.boot
    assert me.namespace.startswith("pid:")
    assert (me.pid, me.name) == (os.getpid(), "ana@here")
    assert not ThisHost().gone(me)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    theirs = msgspec.structs.replace(me, pid=child.pid, started=lease._started(lease.PROC, child.pid) or "")
    assert not ThisHost().gone(theirs)
    child.kill()
    assert eventually(lambda: ThisHost().gone(theirs)), "a process that has exited is gone before it is reaped"
    child.communicate()
    assert ThisHost().gone(theirs)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="tells processes apart by /proc")
def test_a_pid_that_was_given_to_another_process_since_is_not_mistaken_for_the_holder() -> None:
    me = this_holder("ana@here")
    assert ThisHost().gone(msgspec.structs.replace(me, started="1"))


@pytest.mark.parametrize("field", ("host", "boot", "namespace"))
@pytest.mark.parametrize("value", ("elsewhere", ""))
def test_a_holder_of_another_host_boot_or_namespace_is_never_certainly_gone(field: str, value: str) -> None:
    me = this_holder("ana@here")
    other = msgspec.structs.replace(me, pid=2**22 - 1, **{field: value})
    assert not ThisHost().gone(other)


def test_a_machine_without_proc_is_never_certain(tmp_path: Path) -> None:
    me = this_holder("ana@here", tmp_path)
    assert (me.boot, me.namespace, me.started) == ("", "", "")
    assert not ThisHost(tmp_path).gone(msgspec.structs.replace(me, pid=2**22 - 1))


def test_a_process_whose_entry_in_proc_is_hidden_is_not_taken_for_gone(tmp_path: Path) -> None:
    hidden = tmp_path / "proc"
    (hidden / "sys/kernel/random").mkdir(parents=True)
    (hidden / "sys/kernel/random/boot_id").write_text("boot-a\n")
    (hidden / "self/ns").mkdir(parents=True)
    (hidden / "self/ns/pid").symlink_to("pid:[1]")
    me = msgspec.structs.replace(this_holder("ana@here", hidden), started="77")
    assert (me.boot, me.namespace) == ("boot-a", "pid:[1]")
    assert not ThisHost(hidden).gone(me)
    assert ThisHost(hidden).gone(msgspec.structs.replace(me, pid=2**22 - 1))


def test_an_unknown_age_is_never_negative() -> None:
    found = Lease(run="r-1", holder=holder("bo"), fence=1, beat=1, seq=1, head="", beat_at=1000.0)
    assert "last beat 0 s ago" in lease.held_elsewhere(header("r-1"), found, 900.0).what
