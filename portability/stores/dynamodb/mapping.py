"""Attributes of a tenant's own table as the shared one has them, and back: one pure pair of functions.

The pair is a well-behaved lens. `to_silo(to_pool(item), item)` is the item: what did not change at the pool comes back
as it was, whatever the mapping left out or cast. `to_pool(to_silo(item, any))` is the item: nothing the pool holds is
changed by a way there and back. Where no answer would keep both, there is none: `Unmappable`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from portability.aws.attributes import RawItem
from portability.model.estate import Drift
from portability.stores.dynamodb.digest import number

DIGITS = 38
"""Significant digits of a number. AWS: DynamoDB."""
SMALLEST, LARGEST = -130, 125
"""Powers of ten of a number's first digit. AWS: DynamoDB."""

_PLAIN = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?\Z", re.ASCII)
_VALUE = msgspec.json.Decoder(dict[str, Any])
_ENCODER = msgspec.json.Encoder()
_TAG = 10  # bytes of a value in which its type's name ends
_MARK = msgspec.Raw(b'{"NULL":true}')


class Unmappable(ValueError):
    """An item that has no image at the other side; the text has names and types in it, and no value."""


@dataclass(frozen=True)
class AttributeMapping:
    """What the estate says becomes of attributes; names on the left are the silo's. Keys are never among them."""

    rename: Mapping[str, str] = field(default_factory=dict)
    cast: Mapping[str, str] = field(default_factory=dict)
    archive: frozenset[str] = frozenset()

    @classmethod
    def of(cls, drift: Drift) -> AttributeMapping:
        """The mapping that the estate declares."""
        return cls(dict(drift.rename), dict(drift.cast), frozenset(drift.archive))

    def __bool__(self) -> bool:
        return bool(self.rename or self.cast or self.archive)

    def to_pool(self, item: RawItem) -> RawItem:
        """A silo's item as the pool has it. Raises `Unmappable` where two attributes would be one, or a cast lossy."""
        image = {name: value for name, value in item.items() if name not in self.archive}
        for name, tag in self.cast.items():
            if name in image:
                image[name] = _cast(name, image[name], tag)
        for name, new in self.rename.items():
            if name in image:
                if new in image:
                    raise Unmappable(f"it has {name} and {new}, which would be one attribute")
                image[new] = image.pop(name)
        return image

    def to_silo(self, item: RawItem, before: RawItem | None) -> RawItem:
        """A pool's item as the silo has it, where the silo's item so far is `before`.

        Raises `Unmappable` where no silo's item has this image.
        """
        before = before or {}
        for name in (*self.archive, *self.rename):
            if name in item:
                raise Unmappable(f"the pool's item has {name}, which it gets from no item of the tenant's own table")
        origin = dict(item)
        for name, new in self.rename.items():
            if new in origin and not (new in before and name not in before):
                origin[name] = origin.pop(new)
        for name, tag in self.cast.items():
            if name in origin:
                origin[name] = _uncast(name, origin[name], tag, before.get(name))
        return origin | {name: before[name] for name in self.archive if name in before}

    def shown(self, item: RawItem) -> RawItem:
        """`to_pool` for a comparison: what has no image is equal to nothing, since no item has a name without text."""
        try:
            return self.to_pool(item)
        except Unmappable:
            return item | {"": _MARK}

    def image_of(self, name: str, tag: str) -> tuple[str, str] | None:
        """The name and type at the pool of a silo's attribute; None where it is left out."""
        if name in self.archive:
            return None
        if tag in {"S", "N"}:
            tag = self.cast.get(name, tag)
        return self.rename.get(name, name), tag


def tag_of(value: msgspec.Raw) -> str:
    """An undecoded value's type: `S`, `N`, `BOOL` and so on."""
    return memoryview(value)[:_TAG].tobytes().split(b'"', 2)[1].decode()


def spelt(text: str) -> str | None:
    """The one text that stands for a number: plain decimal, no outer zeros. None where DynamoDB has none."""
    plain = number(text)
    whole, _, fraction = plain.lstrip("-").partition(".")
    first = len(whole) - 1 if whole != "0" else -len(fraction) + len(fraction.lstrip("0")) - 1
    fits = len((whole + fraction).strip("0")) <= DIGITS and SMALLEST <= first <= LARGEST
    return plain if fits or plain == "0" else None


def is_number(text: str) -> bool:
    """Whether a text is exactly how a number is spelt when it is cast to text."""
    return _PLAIN.match(text) is not None and spelt(text) == text


def _cast(name: str, value: msgspec.Raw, tag: str) -> msgspec.Raw:
    ((has, inner),) = _VALUE.decode(value).items()
    if (has, tag) == ("N", "S"):
        return _raw("S", spelt(inner) or inner)
    if (has, tag) == ("S", "N"):
        if not is_number(inner):
            raise Unmappable(f"{name} is text that is no number as a cast would spell it")
        return _raw("N", inner)
    return value


def _uncast(name: str, value: msgspec.Raw, tag: str, before: msgspec.Raw | None) -> msgspec.Raw:
    if before is not None and _same(before, name, tag, value):
        return before
    ((has, inner),) = _VALUE.decode(value).items()
    if {has, tag} == {"N", "S"}:
        raise Unmappable(f"the pool's item has {name} with type {has}, where the mapping makes it {tag}")
    if (has, tag) == ("N", "N"):
        return _raw("S", spelt(inner) or inner)
    if (has, tag) == ("S", "S") and is_number(inner):
        return _raw("N", inner)
    return value


def _same(before: msgspec.Raw, name: str, tag: str, value: msgspec.Raw) -> bool:
    """Whether the silo's value so far has this image still."""
    try:
        image = _VALUE.decode(_cast(name, before, tag))
    except Unmappable:
        return False
    now = _VALUE.decode(value)
    if image.keys() == now.keys() == {"N"}:
        return number(image["N"]) == number(now["N"])
    return bool(image == now)


def _raw(tag: str, text: str) -> msgspec.Raw:
    return msgspec.Raw(_ENCODER.encode({tag: text}))
