"""Items read at one side as they are written at the other, where attributes are mapped on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portability.aws.attributes import RawItem
from portability.stores.base import Flow, Key
from portability.stores.dynamodb.inventory import Schema
from portability.stores.dynamodb.layout import Layout
from portability.stores.dynamodb.mapping import AttributeMapping, Unmappable
from portability.stores.dynamodb.plane import Plane

Refused = list[tuple[Key, str]]
"""Keys whose item has no image at the other side, with the reason."""


@dataclass(frozen=True)
class Carry:
    """One way between a tenant's own table and the shared one; FORWARD goes to the shared one. Thread-safe.

    `schema` holds what may get to the shared table; None: everything.
    """

    flow: Flow
    mapping: AttributeMapping
    layout: Layout
    schema: Schema | None = None

    def __call__(self, items: Sequence[RawItem], destination: Plane) -> tuple[list[RawItem], Refused]:
        """The images of items, and the keys of those that have none. The caller holds the keys.

        On the way back the old side's items are read: what the mapping leaves out is there.
        """
        before: dict[bytes, RawItem] = {}
        if self.flow is Flow.REVERSE and self.mapping:
            before = destination.present([item for item in items if not self.layout.is_canary(item)])
        images: list[RawItem] = []
        refused: Refused = []
        for item in items:
            try:
                images.append(self._image(item, before))
            except Unmappable as why:
                refused.append((self.layout.key(item), str(why)))
        return images, refused

    def _image(self, item: RawItem, before: dict[bytes, RawItem]) -> RawItem:
        if self.layout.is_canary(item):
            return item
        if self.flow is Flow.REVERSE:
            return self.mapping.to_silo(item, before.get(self.layout.key_id(item))) if self.mapping else item
        if self.schema is not None and (stranger := self.schema.stranger(item)):
            raise Unmappable(f"the shared table is not declared to have its {stranger}")
        return self.mapping.to_pool(item)
