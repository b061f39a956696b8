"""YAML text to plain data that remembers its lines. Refuses what has no place in a configuration file.

A subset of YAML 1.2: mappings, lists, text, whole and decimal numbers, true, false, null. `no`, `on`, `12:30` and dates
are text, so nothing changes its meaning because it looks like something else. Tags, merge keys, duplicate keys and
several documents are refused; so is anything built to exhaust memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import yaml

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_ALIASES = 100
MAX_NODES = 20_000  # after aliases are expanded

UNREADABLE = object()
"""Stands where a value has a problem of its own, so that it is reported once."""

Path = tuple[str | int, ...]
"""Where a value stands: keys and list indexes from the top."""

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_WIDEST = 2**63 - 1


class Malformed(Exception):
    """The text is not a document; `line` counts from 1. It never leaves this package."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


@dataclass(frozen=True)
class Document:
    """Plain data, the line of every value and key, and what was wrong with it that is no reason to stop reading."""

    data: Any
    lines: dict[Path, int]
    problems: list[tuple[int, Path, str]]

    def line(self, path: Path) -> int:
        """The line of `path`, or of its nearest parent that is in the file."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return 1


def parse(raw: bytes) -> Document:
    """Read one document. Raises `Malformed`, and nothing else, for every text there is."""
    if len(raw) > MAX_BYTES:
        raise Malformed(1, f"larger than {MAX_BYTES:,} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(raw[: error.start].count(b"\n") + 1, "not UTF-8 text") from None
    node = _compose(text)
    reader = _Reader()
    reader.read(node, ())
    return Document(reader.data, reader.lines, reader.problems)


class _Loader(yaml.SafeLoader):
    """PyYAML's composer with limits, checked before a node is built."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own spelling; scalars are read by `_scalar`

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.nesting = 0
        self.aliases = 0
        self.nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node, refusing tags, depth and bombs. Source: PyYAML `Composer`."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise Malformed(line, f"more than {MAX_NODES:,} values")
        if isinstance(event, yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > MAX_ALIASES:
                raise Malformed(line, f"more than {MAX_ALIASES} aliases")
        elif event.tag is not None:
            raise Malformed(line, f"the tag {ascii(event.tag)[:60]} is not allowed")
        self.nesting += 1
        if self.nesting > MAX_DEPTH:
            raise Malformed(line, f"nested deeper than {MAX_DEPTH}")
        try:
            return super().compose_node(parent, index)
        finally:
            self.nesting -= 1


def _compose(text: str) -> yaml.Node:
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        if error.problem == "but found another document":
            raise Malformed(line, "a second document begins; one file holds one") from None
        raise Malformed(line, f"not YAML: {_plain(error.problem or error.context or 'unreadable')}") from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise Malformed(line, f"not YAML: the character U+{int(error.character):04X} is not allowed") from None
    except (ValueError, OverflowError):  # PyYAML does not check the range of \U escapes and of %YAML versions
        line = 1 if loader is None else loader.line + 1
        raise Malformed(line, "not YAML: a number in an escape or directive is out of range") from None
    finally:
        if loader is not None:
            loader.dispose()
    if node is None:
        raise Malformed(1, "the file is empty")
    return node


def _plain(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()[:120]


class _Reader:
    """Nodes to data. Aliases are copied, and counted as often as they are copied."""

    def __init__(self) -> None:
        self.data: Any = None
        self.lines: dict[Path, int] = {}
        self.problems: list[tuple[int, Path, str]] = []
        self._count = 0

    def read(self, node: yaml.Node, path: Path) -> object:
        self._count += 1
        line = node.start_mark.line + 1
        if self._count > MAX_NODES:
            raise Malformed(line, f"its aliases expand to more than {MAX_NODES:,} values")
        if len(path) > MAX_DEPTH:
            raise Malformed(line, f"its aliases expand deeper than {MAX_DEPTH}")
        self.lines.setdefault(path, line)
        value: Any
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            value = [self.read(child, (*path, index)) for index, child in enumerate(node.value)]
        else:
            value = self._scalar(node, path)
        if not path:
            self.data = value
        return value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        value: dict[str, Any] = {}
        first: dict[Hashable, int] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise Malformed(line, "a key must be one word, not a list or a mapping")
            key = str(key_node.value)
            if key == "<<" and key_node.style is None:
                raise Malformed(line, "merge keys (<<) are not allowed")
            if key in first:
                self.problems.append((line, path, f"{shown(key)} is set twice, first on line {first[key]}"))
            else:
                first[key] = line
                self.lines[(*path, key)] = line  # of the key: a value may begin a line later
                value[key] = self.read(child, (*path, key))
        return value

    def _scalar(self, node: yaml.Node, path: Path) -> object:
        text, line = str(node.value), node.start_mark.line + 1
        plain = isinstance(node, yaml.ScalarNode) and node.style is None
        if plain and text in _WORDS:
            return _WORDS[text]
        if plain and (_INTEGER.match(text) or _DECIMAL.match(text)):
            number = _number(text)
            if number is None:
                self.problems.append((line, path, "a number that is too large; text goes in quotes"))
            return UNREADABLE if number is None else number
        if _CONTROL.search(text):
            self.problems.append((line, path, "control characters are not allowed"))
            return UNREADABLE
        return text


def _number(text: str) -> int | float | None:
    """The number, None where 64 bits do not hold it."""
    if not _INTEGER.match(text):
        return float(text) if math.isfinite(float(text)) else None
    return int(text) if len(text) <= 20 and abs(int(text)) <= _WIDEST else None  # noqa: PLR2004 - 19 digits and a sign


def shown(text: object) -> str:
    """A value as an error shows it: quoted, escaped, cut."""
    plain = ascii(text) if isinstance(text, str) and not text.isprintable() else repr(text)
    return plain if len(plain) <= 60 else f"{plain[:56]}…{plain[-1]}"  # noqa: PLR2004 - half a line of a terminal
