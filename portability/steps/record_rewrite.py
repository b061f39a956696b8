"""Fields of the directory record rewritten where each is still as it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from portability.aws.dynamodb import Item
from portability.model.estate import Directory
from portability.steps.directory_record import DirectoryRecord, json_text, rewrite_json, typed_like


@dataclass
class Rewrite:
    """The parts of an UpdateItem, to which others may be added before it is sent.

    Attributes are named `#a0`, `#a1`, … in `names`, their values `:old0` and `:new0` in `values`.
    """

    names: dict[str, str] = field(default_factory=dict)
    values: Item = field(default_factory=dict)
    sets: list[str] = field(default_factory=list)
    removes: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)

    def add(self, attributes: Mapping[str, Item | None], raw: Item) -> None:
        """Set each attribute (None: remove it), on condition that it is as in `raw`."""
        for number, (name, new) in enumerate(sorted(attributes.items())):
            old = raw.get(name)
            self.names[f"#a{number}"] = name
            if old is None:
                self.conditions.append(f"attribute_not_exists(#a{number})")
            else:
                self.values[f":old{number}"] = old
                self.conditions.append(f"#a{number} = :old{number}")
            if new is None:
                self.removes.append(f"#a{number}")
            else:
                self.values[f":new{number}"] = new
                self.sets.append(f"#a{number} = :new{number}")

    @property
    def expression(self) -> str:
        """The update expression."""
        clauses = {"SET": self.sets, "REMOVE": self.removes}
        return " ".join(f"{clause} {', '.join(parts)}" for clause, parts in clauses.items() if parts)

    @property
    def condition(self) -> str:
        """The condition expression."""
        return " AND ".join(self.conditions)


def rewritten(spec: Directory, record: DirectoryRecord, fields: Mapping[str, str | None]) -> dict[str, Item | None]:
    """The attributes that change when `fields` (the record's own names) are set, with their new attribute values.

    None removes one. Of an attribute that holds JSON only the named fields change.
    """
    inside = {name: attribute for attribute, names in spec.json.items() for name in names}
    nested: dict[str, dict[str, str | None]] = {}
    attributes: dict[str, Item | None] = {}
    for name, new in fields.items():
        if name in inside:
            nested.setdefault(inside[name], {})[name] = new
        else:
            attributes[name] = None if new is None else typed_like(record.raw.get(name), new)
    for attribute, changes in nested.items():
        attributes[attribute] = {"S": rewrite_json(json_text(attribute, record.raw.get(attribute)), changes)}
    return {name: new for name, new in attributes.items() if new != record.raw.get(name)}
