"""One call of the command: the global options, the screen, signals, and the desk, opened when first asked for."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from portability import errors
from portability.cli.asked import Asked
from portability.cli.screen import Screen

if TYPE_CHECKING:
    from types import FrameType

    from portability.cli.wiring import Desk
    from portability.engine.stop import Stop
    from portability.report.events import EventFile

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Call:
    """What a verb is given. `run` and `wrote` are kept for the last word about an error."""

    asked: Asked
    screen: Screen
    run: str | None = None
    wrote: bool = False
    _soft: bool = field(default=False, repr=False)
    _asked_before: bool = field(default=False, repr=False)

    @classmethod
    @contextlib.contextmanager
    def begin(cls, asked: Asked) -> Iterator[Call]:
        """A call whose signals are answered; an error that leaves it knows the run it was about."""
        call = cls(asked, Screen(asked))
        with call._signals():
            try:
                yield call
            except Exception as error:
                error.__dict__["portability_call"] = call
                raise
            finally:
                opened = call.__dict__.get("events")
                if opened is not None:
                    opened.close()

    @property
    def root(self) -> Path:
        """The project: files the command is told to write stay under it, or are named by an absolute path."""
        return Path.cwd()

    @cached_property
    def stop(self) -> Stop:
        """What a signal sets while a run is driven."""
        from portability.engine.stop import Stop

        return Stop()

    @cached_property
    def desk(self) -> Desk:
        """The estate, the clients and the journal."""
        from portability.cli.wiring import Desk, Settings

        self.screen.start_logging()
        settings = Settings(config=self.asked.estate_file, profile=self.asked.profile, region=self.asked.region)
        return Desk(settings, self.stop)

    @cached_property
    def events(self) -> EventFile | None:
        """The file of `--events`, opened before anything begins."""
        from portability.report.events import EventFile

        return None if self.asked.events is None else EventFile.open(self.asked.events, self.screen.tell)

    @contextlib.contextmanager
    def driving(self) -> Iterator[None]:
        """While a lease may be held: the first signal asks the run to park, the second leaves at once."""
        self._soft = True
        try:
            yield
        finally:
            self._soft = False

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {signum: signal.signal(signum, self._on_signal) for signum in STOPPING if not _outlasts(signum)}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        if self._asked_before:
            # Safe at any instant: what is not recorded is observed again by whoever goes on.
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"\nleft at once\n")
            os._exit(128 + signum)
        self._asked_before = True
        self.stop.request(signum)
        if not self._soft:
            raise errors.Interrupted(
                f"stopped by {signal.Signals(signum).name}",
                signum=signum,
                next=errors.AGAIN,
                changed="Nothing was changed.",
            )
        self.screen.tell("stopping: the page in flight is finished first; again leaves at once, which is also safe")


def _outlasts(signum: signal.Signals) -> bool:
    """Whether the command was begun under `nohup`: a closed terminal is then not to end it."""
    return signum is signal.SIGHUP and signal.getsignal(signum) is signal.SIG_IGN
