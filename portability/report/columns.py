"""Rows that stay in their columns: a cell that is too long for its column ends its line, and the row goes on below."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

NARROWEST = 60
"""A terminal with fewer characters a line folds as it likes."""


def row(cells: Sequence[str], widths: Sequence[int], *, room: int | None, lead: str = "") -> str:
    """`lead`, then `cells` a blank apart in columns of `widths` (of all but the last), as one or more lines.

    `room` is the width of the terminal, None where lines may be as long as they are: then no cell is folded.
    """
    room = None if room is None else max(room, NARROWEST)
    lines, line, start = [], lead, len(lead)
    for number, cell in enumerate(cells):
        if cell:
            if len(line) > start:
                lines.append(line)
                line = ""
            first, *more = _folded(cell, None if room is None else room - start)
            lines += [f"{line:<{start}}{first}", *(f"{'':<{start}}{one}" for one in more)]
            line = lines.pop()
        if number < len(widths):
            start += widths[number] + 1
    return "\n".join(one.rstrip() for one in [*lines, line])


def fold(line: str, *, room: int | None, indent: str = "  ") -> str:
    """A sentence over as many lines as it needs; the later ones begin with `indent`."""
    if room is None or len(line) <= room:
        return line
    head = line[: len(line) - len(line.lstrip())]
    folded = textwrap.wrap(
        line.strip(), max(room, NARROWEST), initial_indent=head, subsequent_indent=head + indent, break_on_hyphens=False
    )
    return "\n".join(folded)


def widest(cells: Iterable[str], *, least: int, most: int) -> int:
    """The width of a column that holds `cells`; one longer than `most` is not counted, it ends its line."""
    return max([least, *(len(cell) for cell in cells if len(cell) <= most)])


def _folded(text: str, room: int | None) -> list[str]:
    if room is None or len(text) <= room:
        return [text]
    return textwrap.wrap(text, room, break_on_hyphens=False)
