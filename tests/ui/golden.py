"""Screens held against reviewed text files. `UPDATE_GOLDEN=1 pytest tests/ui` writes them anew, for review."""

from __future__ import annotations

import os
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"

VOLATILE = (
    (r"r-[0-9A-HJKMNP-TV-Z]{26}", "r-RUN"),
    (r"\b[0-9a-f]{64}\b", "HASH"),
    (r"\b[0-9a-f]{32}\b", "DIGEST"),
    (r"\b[0-9a-f]{12}…", "DIGEST…"),
    (r"us-east-1_[0-9A-Za-z]+", "us-east-1_POOL"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "DATE"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"/tmp/[^\s:;)]+", "FILE"),  # noqa: S108 - a pattern, not a place
)


def steady(text: str) -> str:
    """`text` with what differs from run to run replaced by its kind."""
    for pattern, kind in VOLATILE:
        text = re.sub(pattern, kind, text)
    return "\n".join(line.rstrip() for line in text.split("\n"))


def hold(name: str, text: str) -> None:
    """Fail unless `text` is what was reviewed under `name`."""
    path = FOLDER / f"{name}.txt"
    now = steady(text)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(now, encoding="utf-8")
    assert path.exists(), f"{path} was never reviewed; UPDATE_GOLDEN=1 writes it:\n{now}"
    assert now == path.read_text(encoding="utf-8"), f"{name} changed; after review: UPDATE_GOLDEN=1"
