"""Items as bytes that are equal exactly where DynamoDB holds the values equal, and their sum.

`1`, `1.0` and `1E0` are one number; sets and maps have no order, lists have one; every value carries its type.
Numbers are never read as floats: DynamoDB keeps 38 digits. An item may be plain (attribute-value JSON, binary as bytes)
or raw (its attributes undecoded): the answer is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from portability.aws.attributes import plain_item

MODULUS = 1 << 128
_TAGGED = len('{"S":""}')


def canonical(item: Mapping[str, Any]) -> bytes:
    """An item as canonical bytes."""
    return _map(plain_item(item))


def item_hash(item: Mapping[str, Any]) -> int:
    """BLAKE2b-128 of the canonical bytes, as a number below 2**128."""
    return int.from_bytes(hashlib.blake2b(canonical(item), digest_size=16).digest())


def key_hash(key: Mapping[str, Any]) -> str:
    """What may be journaled, logged and shown of a key: 32 hex digits."""
    return hashlib.blake2b(canonical(key), digest_size=16, person=b"portability-key").hexdigest()


def size_of(item: Mapping[str, Any]) -> int:
    """About how many bytes DynamoDB counts for an item: names and values, a little for each nesting."""
    values = (len(value) - _TAGGED if isinstance(value, msgspec.Raw) else _size(value) for value in item.values())
    return sum(map(len, item)) + sum(values)


def json_line(item: Mapping[str, Any]) -> bytes:
    """An item as one line of DynamoDB JSON: sorted names and sets, binary in base64."""
    return msgspec.json.encode(_sorted_sets({"M": plain_item(item)})["M"], order="sorted") + b"\n"


@dataclass
class Tally:
    """A count and the order-independent sum of item hashes."""

    items: int = 0
    total: int = 0

    def add(self, value: int, times: int = 1) -> None:
        """Add an item by its hash; `times=-1` takes it away."""
        self.items += times
        self.total = (self.total + times * value) % MODULUS

    def merge(self, other: Tally) -> None:
        """Add what another tally counted."""
        self.items += other.items
        self.total = (self.total + other.total) % MODULUS

    @property
    def digest(self) -> str:
        """32 hex digits."""
        return f"{self.total:032x}"


def tally(items: Iterable[Mapping[str, Any]]) -> Tally:
    """Tally items."""
    result = Tally()
    for item in items:
        result.add(item_hash(item))
    return result


def number(text: str) -> str:
    """A number as sign, digits without outer zeros, and exponent: the same text for every spelling of a value."""
    sign, text = ("-", text[1:]) if text[0] == "-" else ("", text.removeprefix("+"))
    mantissa, _, exponent = text.replace("E", "e").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return "0"
    stripped = digits.rstrip("0")
    power = int(exponent or "0") - len(fraction) + len(digits) - len(stripped)
    return f"{sign}{stripped}e{power}"


def _framed(tag: bytes, body: bytes) -> bytes:
    return tag + len(body).to_bytes(4) + body


def _text(tag: bytes, value: str) -> bytes:
    return _framed(tag, value.encode("utf-8", "surrogatepass"))


def _map(value: Mapping[str, Any]) -> bytes:
    members = sorted((name.encode("utf-8", "surrogatepass"), name) for name in value)
    return _framed(b"M", b"".join(_framed(b"k", sign) + _value(value[name]) for sign, name in members))


def _value(value: Mapping[str, Any]) -> bytes:
    ((tag, inner),) = value.items()
    return _ENCODERS[tag](inner)


_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "S": lambda value: _text(b"S", value),
    "N": lambda value: _text(b"N", number(value)),
    "B": lambda value: _framed(b"B", bytes(value)),
    "BOOL": lambda value: b"T" if value else b"F",
    "NULL": lambda _: b"0",
    "SS": lambda value: _framed(b"s", b"".join(sorted(_text(b"S", each) for each in value))),
    "NS": lambda value: _framed(b"n", b"".join(sorted(_text(b"N", number(each)) for each in value))),
    "BS": lambda value: _framed(b"b", b"".join(sorted(_framed(b"B", bytes(each)) for each in value))),
    "L": lambda value: _framed(b"L", b"".join(_value(each) for each in value)),
    "M": _map,
}


def _size(value: Mapping[str, Any]) -> int:
    ((tag, inner),) = value.items()
    match tag:
        case "S" | "B":
            return len(inner)
        case "N":
            return len(inner) // 2 + 1
        case "SS" | "BS" | "NS":
            return sum(map(len, inner))
        case "L":
            return 3 + sum(_size(each) + 1 for each in inner)
        case "M":
            return 3 + size_of(inner) + len(inner)
        case _:
            return 1


def _sorted_sets(value: Mapping[str, Any]) -> dict[str, Any]:
    ((tag, inner),) = value.items()
    match tag:
        case "SS" | "NS" | "BS":
            return {tag: sorted(inner)}
        case "L":
            return {tag: [_sorted_sets(each) for each in inner]}
        case "M":
            return {tag: {name: _sorted_sets(each) for name, each in inner.items()}}
        case _:
            return {tag: inner}
