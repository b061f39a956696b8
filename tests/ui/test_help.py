"""The help of the tool, its groups and its twelve verbs, at a terminal of 80 columns, as reviewed text files."""

from __future__ import annotations

from pathlib import Path

import pytest

from portability.cli.main import GROUPS, ORDER
from tests.cli import bench
from tests.ui.golden import hold

SCREENS = ((), *((verb,) for verb in ORDER[:12]), *((name,) for name, *_ in GROUPS))


@pytest.mark.parametrize("words", SCREENS, ids=lambda words: " ".join(words) or "portability")
def test_help_reads_as_it_was_reviewed(words: tuple[str, ...], tmp_path: Path) -> None:
    shown = bench.run([*words, "--help"], {"COLUMNS": "80"}, tmp_path).expect(0).stdout
    hold("-".join(("help", *(words or ("portability",)))), shown)
    listed = shown.partition("Commands:")[2]
    assert "..." not in listed, "a line that ends in dots says half of what it should"
    examples = shown.partition("Examples:" if words else "First look:")[2]
    assert f"portability {' '.join(words)}" in examples
