"""Whether the tool has a command line that a page shows: parsed by the tool's own parser, and never run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Any

import typer

from portability.cli.main import build

_STARTS = re.compile(r"(?:^|[\s\"(`$])portability (?=[a-z-])")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_ENDS = re.compile(r"\)\"|\s*(?:[|;>]|&&|2>).*$")
ELLIPSIS = "…"


@cache
def root() -> Any:
    """The whole command line as a click group."""
    return typer.main.get_command(build())


def verbs() -> frozenset[str]:
    """What may stand behind `portability`."""
    return frozenset(root().commands)


def lines_in(text: str) -> Iterator[tuple[int, str]]:
    """Each command of this tool in a block of shell: (line from 0, what stands behind `portability`)."""
    for number, line in enumerate(text.split("\n")):
        typed = _COMMENT.sub("", line)
        found = _STARTS.search(typed)
        if found:
            yield number, _ENDS.sub("", typed[found.end() :])


def fault(line: str, *, whole: bool = True) -> str | None:
    """Why the tool would not take `line` (without `portability`); None where it would.

    With `whole` false the line is a mention: what it leaves out is not held against it.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        return f"cannot be read as a shell line: {error}"
    words = [word for word in words if whole or word != ELLIPSIS]
    command, context = root(), root().make_context("portability", [], resilient_parsing=True)
    path = ["portability"]
    while hasattr(command, "commands"):
        before, words = _options_first(words)
        refused = _parsed(command, path[-1], before, context) if before else None
        if refused or not words:
            return refused or (None if not whole or before else f"`{' '.join(path)}` alone shows only help")
        name, *words = words
        if name not in command.commands:
            return f"there is no `{' '.join([*path, name])}`; there are: {', '.join(command.commands)}"
        command = command.commands[name]
        path.append(name)
    return _parsed(command, path[-1], words, context, whole=whole)


def options() -> frozenset[str]:
    """Every option of every verb."""
    return frozenset(_flags(root()))


def _flags(command: Any) -> Iterator[str]:
    for parameter in command.params:
        yield from (flag for flag in parameter.opts if flag.startswith("-"))
    yield from ("-h", "--help")
    for inner in getattr(command, "commands", {}).values():
        yield from _flags(inner)


def _options_first(words: list[str]) -> tuple[list[str], list[str]]:
    """Global options before the verb, each with its value, and the rest."""
    before: list[str] = []
    rest = list(words)
    takes = {flag for one in root().params if not getattr(one, "is_flag", False) and not one.count for flag in one.opts}
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        before.append(word)
        if word in takes and rest:
            before.append(rest.pop(0))
    return before, rest


def _parsed(command: Any, name: str, words: list[str], parent: Any, *, whole: bool = True) -> str | None:
    try:
        # A group's own arguments would be its verb: parsed as a command of its options alone.
        if hasattr(command, "commands"):
            command.make_parser(type(parent)(command)).parse_args(list(words))
        else:
            command.make_context(name, list(words), parent=parent)
    except typer.Exit:
        return None  # --help and --version say what they have to and leave
    except Exception as error:  # noqa: BLE001 - whatever the parser of the day raises is its refusal
        missing = type(error).__name__ == "MissingParameter" or (
            type(error).__name__ == "BadOptionUsage" and "requires an argument" in str(error)
        )
        return None if missing and not whole else str(getattr(error, "message", None) or error)
    return None
