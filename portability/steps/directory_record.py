"""The tenant's directory record as a value: parsed, and rewritten without touching what a flip does not name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from portability import errors
from portability.aws.dynamodb import Item
from portability.model.estate import Directory

STAMP = "portability"
"""The attribute that carries the stamp."""

STAMPED, FENCED, LIFTED, ABORTED, FLIPPED = "stamped", "fenced", "lifted", "aborted", "flipped"
"""What the last write of a stamp did; `aborted` is `lifted` by the guardian, which cannot write to the journal."""


@dataclass(frozen=True)
class Stamp:
    """What a run left on the record. The epoch only grows; its first value is a unix second."""

    run: str
    epoch: int
    fenced: bool
    act: str = STAMPED

    def after(self, act: str) -> Stamp:
        """The stamp one epoch on; fenced only where `act` fences."""
        return Stamp(run=self.run, epoch=self.epoch + 1, fenced=act == FENCED, act=act)


@dataclass(frozen=True)
class DirectoryRecord:
    """A tenant's record as read. Every logical field is None where the estate names none or the record has none."""

    tenant: str
    tier: str
    user_pool: str | None
    client: str | None
    api_key: str | None = field(repr=False)
    url: str | None
    dedicated: str | None  # the string, `true` or `false`
    placement: str | None
    active: bool | None
    stores: dict[str, str | None]  # store -> the table name the record carries
    stamp: Stamp | None
    raw: Item = field(repr=False)
    texts: Mapping[str, str | None] = field(repr=False, default_factory=dict)

    def text(self, name: str) -> str | None:
        """The value under a name the record itself uses, also one inside a JSON attribute; None where it has none."""
        return self.texts.get(name)


def record_of(spec: Directory, tenant: str, raw: Item) -> DirectoryRecord:
    """A record from its raw item."""
    texts = {name: text_of(value) for name, value in raw.items()}
    for attribute, names in spec.json.items():
        inner = _json_fields(json_text(attribute, raw.get(attribute)))
        texts |= {name: _json_value(inner[name]) if name in inner else None for name in names}

    def logical(name: str | None) -> str | None:
        return None if name is None else texts.get(name)

    active = logical(spec.active)
    return DirectoryRecord(
        tenant=tenant,
        tier=logical(spec.tier) or "",
        user_pool=logical(spec.user_pool),
        client=logical(spec.client),
        api_key=logical(spec.api_key),
        url=logical(spec.url),
        dedicated=logical(spec.dedicated),
        placement=logical(spec.placement),
        active=None if active is None else active.lower() == "true",
        stores={store: texts.get(name) for store, name in spec.stores.items()},
        stamp=stamp_of(raw),
        raw=raw,
        texts=texts,
    )


def stamp_of(raw: Item) -> Stamp | None:
    """The stamp on a raw record."""
    value = raw.get(STAMP)
    if value is None:
        return None
    inner = value["M"]
    return Stamp(
        run=inner["run"]["S"],
        epoch=int(inner["epoch"]["N"]),
        fenced=inner["fenced"]["BOOL"],
        act=inner["act"]["S"] if "act" in inner else STAMPED,
    )


def text_of(value: Item | None) -> str | None:
    """A scalar attribute value as text; booleans as `true` and `false`; None for anything else."""
    match value:
        case {"S": str(text)} | {"N": str(text)}:
            return text
        case {"BOOL": bool(flag)}:
            return "true" if flag else "false"
        case _:
            return None


def rewrite_json(text: str | None, changes: Mapping[str, str | None]) -> str:
    """A JSON object's text with these fields set (None: removed); every other field keeps its very characters.

    The text's separators are kept where they are Python's or JavaScript's, so that going and coming back restores it.
    """
    fields = _json_fields(text)
    spaced = bool(fields) and _joined(fields, ", ", ": ") == text
    for name, new in changes.items():
        if new is None:
            fields.pop(name, None)
        else:
            fields[name] = json.dumps(new)
    return _joined(fields, ", ", ": ") if spaced or text is None else _joined(fields, ",", ":")


def _joined(fields: Mapping[str, str], comma: str, colon: str) -> str:
    return "{" + comma.join(f"{json.dumps(name)}{colon}{value}" for name, value in fields.items()) + "}"


def json_text(attribute: str, value: Item | None) -> str | None:
    """The text of an attribute declared as a JSON string; raises `Mismatch` where it is something else."""
    if value is None:
        return None
    if "S" not in value:
        raise errors.Mismatch(
            f"the directory attribute {attribute} is declared as a JSON string and is none", next="portability doctor"
        )
    return str(value["S"])


def _json_fields(text: str | None) -> dict[str, str]:
    """A JSON object's members, each value as the text it is."""
    if text is None:
        return {}
    try:
        members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        raise errors.Mismatch(
            "a directory attribute declared as JSON holds no JSON object", next="portability doctor"
        ) from None
    return {name: bytes(value).decode() for name, value in members.items()}


def _json_value(text: str) -> str | None:
    value = json.loads(text)
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def typed_like(old: Item | None, new: str) -> Item:
    """The new text in the type the attribute has: an estate may keep `dedicatedTenancy` as a boolean."""
    if old is not None and "BOOL" in old and new in ("true", "false"):
        return {"BOOL": new == "true"}
    return {"S": new}


def stamp_value(stamp: Stamp) -> Item:
    """The stamp as an attribute value."""
    return {
        "M": {
            "run": {"S": stamp.run},
            "epoch": {"N": str(stamp.epoch)},
            "fenced": {"BOOL": stamp.fenced},
            "act": {"S": stamp.act},
        }
    }
