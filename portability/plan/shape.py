"""Plain data against a msgspec type: every problem, each with its path, and what was probably meant.

msgspec stops at the first problem and names no key inside a mapping, so containers are walked here and only leaves are
given to it.
"""

from __future__ import annotations

import difflib
import enum
import types
from collections.abc import Callable, Collection, Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from portability.plan.document import UNREADABLE, Path, shown

Report = Callable[[Path, str], None]
"""Told of each problem: the path it stands at, and what it is."""

_NAMES = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
}
_LONGEST = 64  # of a name that is worth comparing with others


def check(data: object, kind: Any, path: Path, report: Report) -> None:  # noqa: ANN401 - any annotation
    """Report every way in which `data` is not a `kind`."""
    description, kind = _described(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any or data is UNREADABLE:
        return
    if origin in (Union, types.UnionType):
        rest = [argument for argument in arguments if argument is not type(None)]
        if data is not None:
            check(data, rest[0], path, report)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        _struct(data, kind, path, report)
    elif origin is dict:
        _mapping(data, arguments, path, report)
    elif origin in (list, tuple):
        _sequence(data, arguments, path, report, fixed=origin is tuple and ... not in arguments)
    elif origin is Literal:
        _choice(data, arguments, path, report)
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        _choice(data, [member.value for member in kind], path, report)
    else:
        _leaf(data, kind, description, path, report)


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where something near is known, else the list of what is."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6) if len(name) <= _LONGEST else []
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""


def _described(kind: Any) -> tuple[str, Any]:  # noqa: ANN401
    """The description an annotation carries, and the kind; a kind with constraints keeps them."""
    if get_origin(kind) is not Annotated:
        return "", kind
    base, *marks = get_args(kind)
    description = next((mark.description for mark in marks if isinstance(mark, msgspec.Meta) and mark.description), "")
    return description, kind if base in (str, int, float) else base


def _struct(data: object, kind: type[msgspec.Struct], path: Path, report: Report) -> None:
    if not isinstance(data, dict):
        report(path, _expected("a mapping", data))
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, value in data.items():
        if key in fields:
            check(value, fields[key].type, (*path, key), report)
        else:
            report((*path, key), f"unknown key {shown(key)}{suggestion(key, fields.keys() - data.keys())}")
    for name, field in fields.items():
        if field.required and name not in data:
            report(path, f"{name!r} is missing")


def _mapping(data: object, arguments: tuple[Any, ...], path: Path, report: Report) -> None:
    if not isinstance(data, dict):
        report(path, _expected("a mapping", data))
        return
    for key, value in data.items():
        check(key, arguments[0], (*path, key), report)
        check(value, arguments[1], (*path, key), report)


def _sequence(data: object, arguments: tuple[Any, ...], path: Path, report: Report, *, fixed: bool) -> None:
    if not isinstance(data, list):
        report(path, _expected("a list", data))
        return
    if fixed and len(data) != len(arguments):
        report(path, f"expected {len(arguments)} entries, got {len(data)}")
        return
    for index, value in enumerate(data):
        check(value, arguments[index] if fixed else arguments[0], (*path, index), report)


def _choice(data: object, choices: Collection[Any], path: Path, report: Report) -> None:
    if isinstance(data, str) and data in choices:
        return
    if not isinstance(data, str):
        report(path, _expected(" or ".join(choices), data))
        return
    report(path, f"expected {' or '.join(choices)}, got {shown(data)}{_near(data, choices)}")


def _near(name: str, choices: Collection[str]) -> str:
    text = suggestion(name, choices)
    return text if text.startswith("; did") and len(choices) > 1 else ""


def _leaf(data: object, kind: Any, description: str, path: Path, report: Report) -> None:  # noqa: ANN401
    try:
        msgspec.convert(data, kind)
    except msgspec.ValidationError:
        base = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        wanted = description or _bounds(kind) or _NAMES.get(base, str(base))
        hint = "; put it in quotes" if base is str and isinstance(data, bool | int | float) else ""
        report(path, _expected(wanted, data) + hint)


def _bounds(kind: Any) -> str:  # noqa: ANN401
    """`a whole number from 1 to 20`."""
    if get_origin(kind) is not Annotated:
        return ""
    base, *marks = get_args(kind)
    low = next((mark.ge for mark in marks if isinstance(mark, msgspec.Meta) and mark.ge is not None), None)
    high = next((mark.le for mark in marks if isinstance(mark, msgspec.Meta) and mark.le is not None), None)
    return "" if low is None or high is None else f"{_NAMES[base]} from {low:,} to {high:,}"


def _expected(wanted: str, data: object) -> str:
    if data is None:
        got = "nothing"
    elif isinstance(data, bool):
        got = "true" if data else "false"
    elif isinstance(data, dict | list):
        got = _NAMES[type(data)]
    else:
        got = shown(data)
    return f"expected {wanted}, got {got}"
