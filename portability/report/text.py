"""Text for people: figures, durations, and data made harmless for a terminal."""

from __future__ import annotations

import datetime as dt
import unicodedata

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def plain(text: str, *, lines: bool = False) -> str:
    r"""`text` without anything that steers a terminal: control and format characters appear as `\\x1b` and the like.

    `lines` keeps line feeds.
    """
    return "".join(
        one
        if (lines and one == "\n") or unicodedata.category(one) not in ("Cc", "Cf", "Zl", "Zp", "Cs")
        else _shown(one)
        for one in text
    )


def _shown(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii")


def count(number: float) -> str:
    """`1,204,000`."""
    return f"{number:,.0f}"


def size(number: float) -> str:
    """Bytes as `2.1 GiB`."""
    for unit in _UNITS:
        if number < _STEP or unit == _UNITS[-1]:
            return f"{number:,.0f} {unit}" if unit == "B" else f"{number:,.1f} {unit}"
        number /= _STEP
    raise AssertionError(number)


def span(seconds: float) -> str:
    """Seconds as `0.4 s`, `41 s`, `41 min`, `3 h 5 min`, `2 d 4 h`."""
    if seconds < 10:  # noqa: PLR2004 - tenths are of interest below ten
        return f"{seconds:.1f} s"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        hours, rest = divmod(int(seconds), _HOUR)
        return f"{hours} h {rest // _MINUTE} min"
    days, rest = divmod(int(seconds), _DAY)
    return f"{days} d {rest // _HOUR} h"


def moment(epoch: float | None) -> str:
    """Epoch seconds as `2024-05-01 12:00:00 UTC`, `-` for none."""
    return "-" if epoch is None else dt.datetime.fromtimestamp(epoch, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
