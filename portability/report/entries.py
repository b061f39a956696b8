"""Journal entries, as people and programs read them."""

from __future__ import annotations

import json
from typing import Any

from portability.model.run import Entry
from portability.model.status import Fact
from portability.report.text import moment, plain

LONGEST = 160


def entry_object(entry: Entry) -> dict[str, Any]:
    """An entry as plain data."""
    return {
        "seq": entry.seq,
        "at": entry.at,
        "step": entry.step,
        "fact": entry.fact.value,
        "data": entry.data,
        "by": entry.by,
        "fence": entry.fence,
        "hash": entry.hash,
        "prev": entry.prev,
    }


def entry_text(entry: Entry) -> str:
    """An entry on one line."""
    said = _intent(entry) or (json.dumps(entry.data, ensure_ascii=False, sort_keys=True) if entry.data else "")
    said = said if len(said) <= LONGEST else said[: LONGEST - 1] + "…"
    return f"{moment(entry.at)}  {entry.step or '-':<14} {entry.fact.value:<12} {plain(said)}".rstrip()


def _intent(entry: Entry) -> str:
    """`+ table Order-tenant-42`, and whether it was there before."""
    change = entry.data.get("change") if entry.fact is Fact.INTENT else None
    if not isinstance(change, dict):
        return ""
    there = " (was there before)" if entry.data.get("existed") else ""
    return f"{change.get('sign')} {change.get('kind')} {change.get('name')}{there}"
