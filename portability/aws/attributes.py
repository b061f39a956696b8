"""Attribute values in their three forms, and the ways between them.

* **Raw**: the bytes of the JSON as the service sent them, undecoded, binary in base64. Items on the data path are
  `dict[str, msgspec.Raw]`: attributes are carried from one table to the other without being looked at.
* **Plain**: attribute-value JSON as boto3 gives it, binary as bytes. Keys are always plain.
* JSON text, in the body of a request: `msgspec` writes either form into it, bytes as base64.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

RawItem = dict[str, msgspec.Raw]
"""An item of the data path: each attribute's value undecoded, `{"pk": Raw(b'{"S":"…"}')}`."""

_ANY = msgspec.json.Decoder(dict[str, Any])
_SCALAR = msgspec.json.Decoder(dict[str, str])
_ENCODER = msgspec.json.Encoder()


def raw_item(item: Mapping[str, Any]) -> RawItem:
    """A plain item, or one of either form in each attribute, as a raw one."""
    return {
        name: value if isinstance(value, msgspec.Raw) else msgspec.Raw(_ENCODER.encode(value))
        for name, value in item.items()
    }


def plain_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """A raw item as a plain one; a plain one as it is."""
    return {
        name: _plain(_ANY.decode(value)) if isinstance(value, msgspec.Raw) else value for name, value in item.items()
    }


def plain_scalar(value: Any) -> dict[str, Any]:  # noqa: ANN401 - either form
    """A key attribute's value (S, N or B) as a plain one. Raises `msgspec.DecodeError` for any other type."""
    if not isinstance(value, msgspec.Raw):
        return value  # type: ignore[no-any-return]
    scalar: dict[str, Any] = _SCALAR.decode(value)
    if "B" in scalar:
        scalar["B"] = binascii.a2b_base64(scalar["B"])
    return scalar


def plain_key(key: Mapping[str, Any]) -> dict[str, Any]:
    """A key in either form as a plain one."""
    return {name: plain_scalar(value) for name, value in key.items()}


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """Base64 as bytes, in place, at every depth."""
    ((tag, inner),) = value.items()
    match tag:
        case "B":
            value["B"] = binascii.a2b_base64(inner)
        case "BS":
            value["BS"] = [binascii.a2b_base64(each) for each in inner]
        case "L":
            for each in inner:
                _plain(each)
        case "M":
            for each in inner.values():
                _plain(each)
    return value
