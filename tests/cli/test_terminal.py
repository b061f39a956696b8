"""At a terminal: the question, the live display, and what switches them off."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pyte
import pytest

from tests.cli.bench import Bench

MakeBench = Callable[..., Bench]
WIDE, HIGH = 140, 60


class Terminal:
    """A command at a pseudo terminal; `seen` is every byte it sent."""

    def __init__(self, bench: Bench, *argv: str, **env: str) -> None:
        own, theirs = pty.openpty()
        self.fd, self.seen = own, b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "portability.cli.main", "--config", "estate.yaml", *argv],
            cwd=bench.folder,
            env=os.environ | bench.env | {"TERM": "xterm-256color", "COLUMNS": str(WIDE), "LINES": str(HIGH)} | env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def read_until(self, text: str | None, *, within: float = 60.0) -> str:
        """Read until `text` came, or to the end."""
        deadline = time.monotonic() + within
        while text is None or text.encode() not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], 0.1)
            assert time.monotonic() < deadline, self.seen.decode(errors="replace")
            if not ready:
                if self.process.poll() is not None:
                    break
                continue
            try:
                chunk = os.read(self.fd, 65536)
            except OSError:
                break
            if not chunk:
                break
            self.seen += chunk
        return self.seen.decode(errors="replace")

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def end(self) -> int:
        """Read to the end; the exit code."""
        self.read_until(None)
        code = self.process.wait(30)
        os.close(self.fd)
        return code

    def screen(self) -> str:
        """What a person would see now."""
        screen = pyte.Screen(WIDE, HIGH)
        pyte.ByteStream(screen).feed(self.seen)
        return "\n".join(line.rstrip() for line in screen.display).rstrip()


@pytest.fixture
def mine(fresh_bench: MakeBench) -> Bench:
    return fresh_bench()


def test_the_question_shows_the_plan_holds_nothing_and_takes_only_the_tenants_name(mine: Bench) -> None:
    before = mine.inventory()
    terminal = Terminal(mine, "migrate", "tenant-42", "--to", "premium", "--until", "preflight")
    terminal.read_until("Type tenant-42 to go on: ")
    assert "mutating calls made: 0" in terminal.screen()
    assert mine.inventory() == before
    terminal.type("yes\n")
    assert terminal.end() == 64
    assert "tenant-42 was not typed" in terminal.screen()
    assert mine.inventory() == before

    terminal = Terminal(mine, "migrate", "tenant-42", "--to", "premium", "--until", "preflight")
    terminal.read_until("Type tenant-42 to go on: ")
    terminal.type("tenant-42\n")
    assert terminal.end() == 7
    assert "stopped after preflight, as asked" in terminal.screen()


def test_ctrl_c_at_the_question_changes_nothing(mine: Bench) -> None:
    before = mine.inventory()
    terminal = Terminal(mine, "migrate", "tenant-42", "--to", "premium")
    terminal.read_until("Type tenant-42 to go on: ")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert "Nothing was changed." in terminal.screen()
    assert mine.inventory() == before


def test_progress_at_a_terminal_is_one_line_per_step_that_stays(mine: Bench) -> None:
    terminal = Terminal(mine, "migrate", "tenant-42", "--to", "premium", "--yes", "--until", "copy")
    assert terminal.end() == 7
    shown = terminal.screen()
    for step in ("preflight", "identity", "resources", "config", "channel", "copy"):
        assert shown.count(f" ✓ {step}") == 1, shown
    assert b"\x1b[" in terminal.seen
    assert "parked: postponed" in shown


@pytest.mark.parametrize(
    ("argv", "env"),
    ((["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})),
    ids=("--no-color", "NO_COLOR", "TERM=dumb"),
)
def test_colours_can_be_switched_off(mine: Bench, argv: list[str], env: dict[str, str]) -> None:
    terminal = Terminal(mine, "migrate", "tenant-42", "--to", "premium", "--yes", "--until", "preflight", *argv, **env)
    assert terminal.end() == 7
    assert b"\x1b[1;" not in terminal.seen
    assert not any(f"\x1b[{number}m".encode() in terminal.seen for number in range(30, 48))
    if env.get("TERM") == "dumb":
        assert b"\x1b" not in terminal.seen
