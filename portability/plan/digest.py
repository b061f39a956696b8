"""The fingerprint of a plan: what it was compiled from, never counts or times.

Canonical JSON: keys sorted, no white space, text as UTF-8, numbers that are not whole as their shortest decimal text,
so that every reader of the same values comes to the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from portability.model.plan import Plan

OUTSIDE = frozenset({"digest", "made", "changes"})
"""Fields of a plan that the digest leaves out: itself, which compilation it was, and the preview with its estimates."""

_ABSENT = object()
_LONGEST = 160  # characters of a value in a difference


def digest(plan: Plan) -> str:
    """64 hex digits: SHA-256 of the canonical JSON of everything in the plan but `digest` and `changes`.

    Covers schema, tenant, source, target, recipe and its steps, stores, estate, account and facts. Raises `ValueError`
    for a fact that has no canonical form (bytes, NaN): facts are text, whole numbers, true and false, lists, mappings.
    """
    return hashlib.sha256(canonical(fingerprint(plan))).hexdigest()


def fingerprint(plan: Plan) -> dict[str, Any]:
    """The fields that the digest covers, as plain data."""
    plain = msgspec.to_builtins(plan)
    return {name: value for name, value in plain.items() if name not in OUTSIDE}


def canonical(value: object) -> bytes:
    """The one encoding of plain data. Raises `ValueError` where there is none."""
    return json.dumps(
        _exact(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).encode()


def plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as they are kept: sets and tuples become lists, sets in canonical order. Raises `ValueError`."""
    return {name: _plain(value) for name, value in facts.items()}


def differences(saved: Plan, now: Plan) -> list[str]:
    """Each field of the fingerprint that differs: `estate.soak: "24h" -> "12h"`, in order of the paths."""
    return [
        f"{path}: {_text(before)} -> {_text(after)}"
        for path, before, after in _compare(fingerprint(saved), fingerprint(now), "")
    ]


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return _plain(msgspec.to_builtins(value))
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(inner) for inner in value), key=canonical)
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    canonical(value)
    return value


def _exact(value: object) -> object:
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            msg = "a key that is not text has no canonical form"
            raise ValueError(msg)
        return {key: _exact(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(inner) for inner in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            msg = "a number that is not finite has no canonical form"
            raise ValueError(msg)
        return {"decimal": repr(value)}
    if value is None or isinstance(value, str | int):
        return value
    msg = f"{type(value).__name__} has no canonical form"
    raise ValueError(msg)


def _compare(before: object, after: object, path: str) -> Iterator[tuple[str, object, object]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            inner = f"{path}.{key}" if path else key
            yield from _compare(before.get(key, _ABSENT), after.get(key, _ABSENT), inner)
    elif isinstance(before, list) and isinstance(after, list) and _named(before) and _named(after):
        old, new = ({entry["id"]: entry for entry in entries} for entries in (before, after))
        yield from _compare(old, new, path)
        order, reorder = [name for name in old if name in new], [name for name in new if name in old]
        if order != reorder:
            yield f"{path} (order)", order, reorder
    elif type(before) is not type(after) or before != after:
        yield path, before, after


def _named(entries: list[Any]) -> bool:
    """Whether entries are known by an id: steps of a recipe, whose identity is never their position."""
    return all(isinstance(entry, dict) and "id" in entry for entry in entries) and bool(entries)


def _text(value: object) -> str:
    if value is _ABSENT:
        return "(nothing)"
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
