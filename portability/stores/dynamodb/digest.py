"""Items as bytes that are equal exactly where DynamoDB holds the values equal, and their sum.

`1`, `1.0` and `1E0` are one number; sets and maps have no order, lists have one; every value carries its type.
Numbers are never read as floats: DynamoDB keeps 38 digits. An item may be plain (attribute-value JSON, binary as bytes)
or raw (its attributes undecoded): the answer is the same.

The bytes are JSON as DynamoDB itself would answer it, with names sorted at every depth, sets sorted, and numbers
written out. So a digest says the same of the same items whichever side, run or archive they are read from.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from portability.aws.attributes import RawItem

MODULUS = 1 << 128
_TAGGED = len('{"S":""}')

_NAMED = len('"":,')  # around an attribute's name; of the last one the comma is the item's
_LISTED = len("{}")  # around an item of a list
_spell = msgspec.json.Encoder().encode
_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_SET = b'S":['
_NUMBER_SPELT = re.compile(rb'"N":"(?!(?:0|-?[1-9][0-9]*|-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9])")')
"""What may have another order, and a number that is not as `number` writes it.

In JSON a quote within a text follows a backslash: neither is ever found inside a value or a name.
"""


def canonical(item: Mapping[str, Any]) -> bytes:
    """An item as canonical bytes."""
    plain = _decode(_encode(item))
    text = _encode(plain)
    if _SET in text or _NUMBER_SPELT.search(text):
        return _encode({name: _settled(value) for name, value in plain.items()})
    return text


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


def raw_size(items: Sequence[RawItem]) -> int:
    """`size_of` of raw items, summed, by the length of their text: every item of a copy passes here."""
    around = (_NAMED + _TAGGED) * sum(map(len, items)) + _LISTED * len(items) + len("]")
    return len(_spell(items)) - around


def json_line(item: Mapping[str, Any]) -> bytes:
    """An item as one line of DynamoDB JSON, its canonical bytes: an archive's digest is that of its lines."""
    return canonical(item) + b"\n"


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
    """A number written out, as DynamoDB answers it: no exponent, no outer zeros, the same for every spelling."""
    sign, text = ("-", text[1:]) if text[0] == "-" else ("", text.removeprefix("+"))
    mantissa, _, exponent = text.replace("E", "e").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits, point = whole + fraction, len(whole) + int(exponent or "0")
    whole = digits[: max(0, point)].ljust(point, "0").lstrip("0")
    fraction = ("0" * -point + digits[max(0, point) :]).rstrip("0")
    if not whole and not fraction:
        return "0"
    return f"{sign}{whole or '0'}.{fraction}" if fraction else f"{sign}{whole}"


def _settled(value: Mapping[str, Any]) -> dict[str, Any]:
    """A value of JSON with its numbers written out and its sets sorted, at every depth."""
    ((tag, inner),) = value.items()
    match tag:
        case "N":
            return {tag: number(inner)}
        case "NS":
            return {tag: sorted(map(number, inner))}
        case "SS" | "BS":
            return {tag: sorted(inner)}
        case "L":
            return {tag: [_settled(each) for each in inner]}
        case "M":
            return {tag: {name: _settled(each) for name, each in inner.items()}}
        case _:
            return {tag: inner}


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
