"""The two streams: stdout is the result only; progress, questions, logs and errors go to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO

from portability import errors
from portability.cli.asked import Asked, Output
from portability.report.text import plain

CONTINUATION = "  "


class Screen:
    """Where one call writes. With `-o json` and `-o jsonl`, stderr carries JSON lines too."""

    def __init__(self, asked: Asked, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.asked = asked
        self.out = out or sys.stdout
        self.err = err or sys.stderr

    @property
    def machine(self) -> bool:
        """Whether a program reads."""
        return self.asked.machine

    @property
    def live(self) -> bool:
        """Whether progress may move about on stderr."""
        return not self.machine and not self.asked.quiet and self.err.isatty() and os.environ.get("TERM") != "dumb"

    @property
    def color(self) -> bool:
        """Whether colours are wanted and possible on stderr."""
        return self.live and not self.asked.no_color and not os.environ.get("NO_COLOR")

    @property
    def room(self) -> int | None:
        """How many characters a line of the result may have; None where no terminal shows it."""
        return shutil.get_terminal_size().columns if self.out.isatty() else None

    def result(self, text: str, value: Any) -> None:  # noqa: ANN401 - whatever JSON can carry
        """The result: `text` for people; `value` as one JSON object, or one line per element of a list."""
        if self.asked.output is Output.JSON:
            self.raw(_dumped(value, indent=2) + "\n")
        elif self.asked.output is Output.JSONL:
            rows: Iterable[Any] = value if isinstance(value, list) else [value]
            self.raw("".join(_dumped(row) + "\n" for row in rows))
        elif text:
            self.raw(text.rstrip("\n") + "\n")

    def outcome(self, text: str, value: Any) -> None:  # noqa: ANN401 - whatever JSON can carry
        """What a verb that acts says when it is done: as `result`, but nothing to a person who asked for quiet."""
        if self.machine or not self.asked.quiet:
            self.result(text, value)

    def raw(self, text: str) -> None:
        """A result that is a document of its own, in every output format. A reader who left is no error."""
        try:
            self.out.write(text)
            self.out.flush()
        except BrokenPipeError:
            forget(self.out)

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """What is shown in this block is shown to a person who is about to decide: stderr, not the result."""
        out, self.out = self.out, self.err
        try:
            yield
        finally:
            self.out = out

    def ask(self, question: str) -> None:
        """A question, its answer typed on the same line."""
        self.err.write(question)
        self.err.flush()

    def tell(self, text: str) -> None:
        """A sentence about what happens now; not a result."""
        if self.asked.quiet:
            return
        self._line(_dumped({"event": "note", "text": text}) if self.machine else text)

    def event(self, event: Mapping[str, Any]) -> None:
        """A machine event, one JSON line on stderr."""
        if not self.asked.quiet:
            self._line(_dumped(event))

    def error(self, error: errors.PortabilityError, code: int) -> None:
        """What happened, what was and was not changed, and the next command."""
        if self.machine:
            self._line(_dumped({"version": 1, "error": error_object(error, code)}))
        else:
            self._line(error_text(error))

    def start_logging(self) -> None:
        """Logs of this call go to stderr: warnings, or with -v everything."""
        from portability.cli.log import configure

        configure(self.err, level=self.asked.verbose, machine=self.machine)

    def _line(self, text: str) -> None:
        try:
            self.err.write(text + "\n")
            self.err.flush()
        except BrokenPipeError:
            forget(self.err)


def forget(stream: TextIO) -> None:
    """What is still buffered for a reader that left must not be written when the interpreter ends."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def error_object(error: errors.PortabilityError, code: int) -> dict[str, Any]:
    """An error as `-o json` prints it on stderr."""
    return {"code": error.code, "what": error.what, "changed": error.changed, "next": error.next, "exit": code}


def error_text(error: errors.PortabilityError) -> str:
    """An error as people read it."""
    first, *more = plain(error.what, lines=True).split("\n")
    end = "" if first.endswith((".", "?", ":", "!")) else "."
    told = error.next if error.next[:1].isupper() and ": " in error.next else f"Next: {error.next}"
    body = "".join(f"\n{CONTINUATION}{line.strip()}" for line in more)
    return f"{error.code} {first}{end}{body}\n{CONTINUATION}{plain(error.changed)}   {plain(told)}"


def _dumped(value: Any, *, indent: int | None = None) -> str:  # noqa: ANN401 - whatever JSON can carry
    return json.dumps(value, indent=indent, ensure_ascii=False, default=str)
