"""Items of every shape that DynamoDB holds, the same item spelt otherwise, and one that is another item by a little.

`corrupted` promises a difference of meaning, and asks `meaning` whether it kept it: built from Python's own values, not
from the bytes that the product compares.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

from tests.support.meaning import meaning

Item = dict[str, Any]
Value = dict[str, Any]

EXACT = Context(prec=60)
DEEPEST = 3
KEYS = frozenset({"pk", "sk", "tenantId"})
"""What says where an item is: by an index too, whose keys have their type."""


def text(rng: random.Random) -> str:
    """A few letters, some beyond ASCII, with blanks and quotes among them."""
    return "".join(rng.choices(string.ascii_letters + string.digits + ' "\\éß€😀', k=rng.randint(1, 12)))


def number(rng: random.Random) -> str:
    """Up to 38 digits, anywhere on the scale, as DynamoDB writes it."""
    digits = str(rng.randrange(1, 10 ** rng.choice([1, 3, 9, 20, 38])))
    value = Decimal(rng.choice(["", "-"]) + digits).scaleb(rng.choice([0, 0, 0, -2, -5, 7]), EXACT)
    return f"{value:f}"


def binary(rng: random.Random) -> bytes:
    return rng.randbytes(rng.randint(1, 12))


SCALARS: dict[str, Callable[[random.Random], Any]] = {
    "S": text,
    "N": number,
    "B": binary,
    "BOOL": lambda rng: rng.random() < 0.5,
    "NULL": lambda _rng: True,
}
MEMBERS = {"SS": text, "NS": lambda rng: str(rng.randrange(-99, 999)), "BS": binary}


def value(rng: random.Random, depth: int = 0) -> Value:
    """A value of any type, nested a little."""
    tag = rng.choice([*SCALARS, *MEMBERS, *(["L", "M"] if depth < DEEPEST else [])])
    if tag in SCALARS:
        return {tag: SCALARS[tag](rng)}
    if tag in MEMBERS:
        return {tag: sorted({MEMBERS[tag](rng) for _ in range(rng.randint(1, 4))})}
    inner = [value(rng, depth + 1) for _ in range(rng.randint(0, 3))]
    return {"L": inner} if tag == "L" else {"M": {f"m{at}": each for at, each in enumerate(inner)}}


def attributes(rng: random.Random) -> Item:
    """What an item has beside its key: nothing, one thing, many things, or one that is large."""
    kind = rng.choice(["bare", "one", "some", "some", "many", "large"])
    count = {"bare": 0, "one": 1, "some": 5, "many": 30, "large": 2}[kind]
    made = {f"a{at}": value(rng) for at in range(count)}
    return made | ({"large": {"S": text(rng) * 400}} if kind == "large" else {})


# ----------------------------------------------------------------------------------------------------- the same item


def respelt(item: Item, rng: random.Random) -> Item:
    """The same item: names and sets in another order, numbers with exponents and zeros."""
    names = rng.sample(sorted(item), len(item))
    return {name: item[name] if name in KEYS else _respelt(item[name], rng) for name in names}


def _respelt(one: Value, rng: random.Random) -> Value:
    ((tag, inner),) = one.items()
    match tag:
        case "N":
            return {"N": f"{Decimal(inner):E}"}
        case "SS" | "NS" | "BS":
            return {tag: rng.sample(inner, len(inner))}
        case "L":
            return {"L": [_respelt(each, rng) for each in inner]}
        case "M":
            return {"M": respelt(inner, rng)}
        case _:
            return one


# -------------------------------------------------------------------------------------------------------- another item


def corrupted(item: Item, rng: random.Random) -> tuple[str, Item]:
    """Another item under the same key, with what was done to it: one attribute changed, gone, new or renamed."""
    others = sorted(item.keys() - KEYS)
    while True:
        how = rng.choice(["changed", "changed", "changed", "gone", "new", "renamed"]) if others else "new"
        name = rng.choice(others) if others else ""
        made = dict(item)
        match how:
            case "changed":
                how, made[name] = _changed(item[name], rng)
            case "gone":
                del made[name]
            case "new":
                made["new"] = value(rng)
            case _:
                made[name.swapcase()] = made.pop(name)
        if meaning({"M": made}) != meaning({"M": item}):
            return how, made


def _changed(one: Value, rng: random.Random) -> tuple[str, Value]:
    ((tag, inner),) = one.items()
    match tag:
        case "S":
            at = rng.randrange(len(inner))
            ways = [
                ("a letter", {"S": inner[:at] + chr(ord(inner[at]) ^ 1) + inner[at + 1 :]}),
                ("a blank behind", {"S": inner + " "}),
                ("text as bytes", {"B": inner.encode()}),
                ("cut", {"S": inner[:-1]}),
            ]
        case "N":
            ways = [
                ("the last digit", {"N": _next(inner)}),
                ("the sign", {"N": f"{-Decimal(inner):f}"}),
                ("a number as text", {"S": inner}),
            ]
        case "B":
            at = rng.randrange(len(inner))
            ways = [("a bit", {"B": inner[:at] + bytes([inner[at] ^ 1]) + inner[at + 1 :]})]
        case "SS" | "NS" | "BS":
            more = sorted({*inner, MEMBERS[tag](rng)})
            ways = [
                (f"{tag} a member more", {tag: more}),
                (f"{tag} a member less", {tag: inner[1:] or more}),
                (f"{tag} as a list", {"L": [{tag[0]: each} for each in inner]}),
            ]
        case "L":
            return _changed_list(inner, rng)
        case "M":
            return _changed_map(inner, rng)
        case _:
            ways = [("true, false, null", {"BOOL": not inner}), ("true, false, null", {"NULL": True})]
    return rng.choice(ways)


def _changed_list(inner: list[Value], rng: random.Random) -> tuple[str, Value]:
    way = rng.choice(["deeper", "less", "turned", "more"]) if inner else "more"
    at = rng.randrange(len(inner)) if inner else 0
    match way:
        case "deeper":
            how, other = _changed(inner[at], rng)
            return f"L: {how}", {"L": [*inner[:at], other, *inner[at + 1 :]]}
        case "less":
            made = [*inner[:at], *inner[at + 1 :]]
        case "turned":
            made = inner[::-1]
        case _:
            made = [*inner, value(rng)]
    return f"L: {way}", {"L": made}


def _changed_map(inner: Item, rng: random.Random) -> tuple[str, Value]:
    way = rng.choice(["deeper", "less", "renamed", "more"]) if inner else "more"
    name = rng.choice(sorted(inner)) if inner else "new"
    others = {each: inner[each] for each in inner if each != name}
    match way:
        case "deeper":
            how, other = _changed(inner[name], rng)
            return f"M: {how}", {"M": others | {name: other}}
        case "less":
            made = others
        case "renamed":
            made = others | {f"{name}x": inner[name]}
        case _:
            made = inner | {"new": value(rng)}
    return f"M: {way}", {"M": made}


def _next(digits: str) -> str:
    """A number that differs from this one in its last digit only."""
    exact = Decimal(digits).normalize(EXACT).as_tuple()
    *first, last = exact.digits
    return f"{Decimal((exact.sign, (*first, last - 1 if last > 1 else last + 1), int(exact.exponent))):f}"
