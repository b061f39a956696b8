"""Markdown as the checks need it: blocks of code, spans of code, links, and the anchors that a heading gets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SHELL = frozenset({"console", "sh", "bash", "shell"})
"""What a fenced block of commands is called; an indented block is one too."""

_FENCE = re.compile(r"^ {0,3}(```+|~~~+)\s*(\S*)")
_SPAN = re.compile(r"(`+)(.+?)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.+?)\s*#*\s*$")


@dataclass(frozen=True)
class Block:
    """A block of code: `kind` is what stands behind the fence, `indented` where there is none. `line` counts from 1."""

    kind: str
    line: int
    text: str


@dataclass(frozen=True)
class Page:
    """One Markdown file. `path` is absolute."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> Page:
        """The page as it is on disk."""
        return cls(path.resolve(), path.read_text(encoding="utf-8"))

    def blocks(self) -> list[Block]:
        """Every block of code, in order."""
        return [Block(kind, line, "\n".join(text)) for kind, line, text in _cut(self.text) if kind]

    def prose(self) -> str:
        """The text with every block of code blanked, line for line."""
        lines = self.text.split("\n")
        for kind, first, text in _cut(self.text):
            if kind:
                lines[first - 1 : first - 1 + len(text)] = [""] * len(text)
        return "\n".join(lines)

    def spans(self) -> Iterator[tuple[int, str]]:
        """Line and text of each code span; one that is broken over lines is put together."""
        prose = self.prose()
        for found in _SPAN.finditer(prose):
            yield prose.count("\n", 0, found.start()) + 1, " ".join(found[2].split())

    def links(self) -> Iterator[tuple[int, str]]:
        """Line and target of each link and picture outside code."""
        prose = _SPAN.sub(lambda span: re.sub(r"[^\n]", " ", span[0]), self.prose())
        # A span in a link's text was blanked, and so is its text: the target still stands.
        for found in _LINK.finditer(prose):
            yield prose.count("\n", 0, found.start()) + 1, found[1]

    def anchors(self) -> set[str]:
        """The fragment of each heading, as GitHub makes it."""
        seen: Counter[str] = Counter()
        found = set()
        for line in self.prose().split("\n"):
            heading = _HEADING.match(line)
            if heading:
                name = fragment(heading[2])
                found.add(f"{name}-{seen[name]}" if seen[name] else name)
                seen[name] += 1
        return found


def fragment(heading: str) -> str:
    """`What it is, *really*` -> `what-it-is-really`."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def _cut(text: str) -> Iterator[tuple[str, int, Sequence[str]]]:
    """(kind, first line, lines) of each piece; prose has no kind."""
    piece: list[str] = []
    first, kind, fence = 1, "", ""
    blank = True  # an indented block begins behind a blank line
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        opens = _FENCE.match(line)
        if fence:
            if opens and opens[1].startswith(fence) and not opens[2]:
                yield kind, first, piece
                piece, first, kind, fence = [], number + 1, "", ""
            else:
                piece.append(line)
        elif opens:
            yield kind, first, piece
            piece, first, kind, fence = [], number + 1, opens[2] or "text", opens[1]
        else:
            indented = re.match(r"^( {4,}|\t)\S", line) is not None and (kind == "indented" or blank)
            goes_on = kind == "indented" and not line.strip()
            if (indented or goes_on) != (kind == "indented"):
                yield kind, first, piece
                piece, first, kind = [], number, "indented" if indented else ""
            piece.append(line)
        blank = not line.strip()
    yield kind, first, piece
