"""An error names a next command that makes sense where it is raised: a verb on a run names the run it is about."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import portability

ROOM = Path(portability.__file__).parent
OF_A_RUN = re.compile(
    r"portability (?:resume|reverse|cancel|complete|status|report|verify)\b"
    r"|portability (?:lock (?:show|break)|run (?:cutover|logs|pause))\b"
)
NAMED = re.compile(r" (?:\{|RUN\b|TENANT\b)")


def advice() -> Iterator[tuple[str, str]]:
    """(file:line, text) of every `next=` of every call, placeholders in braces."""
    for file in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            for keyword in node.keywords:
                if keyword.arg in ("next", "fix"):
                    yield f"{file.relative_to(ROOM)}:{keyword.value.lineno}", ast.unparse(keyword.value)


def unnamed(text: str) -> bool:
    """Whether a verb on a run stands there without a run, a tenant, or a place for one."""
    return any(not NAMED.match(text, found.end()) for found in OF_A_RUN.finditer(text))


def test_no_error_sends_anybody_to_a_run_it_does_not_name() -> None:
    found = list(advice())
    assert len(found) > 100
    assert [(where, text) for where, text in found if unnamed(text)] == []


def test_the_rule_tells_good_advice_from_bad() -> None:
    assert unnamed("'renew the credentials, then portability resume'")
    assert unnamed("f'portability status, or portability resume {run}'")
    assert not unnamed("f'portability resume {run}'")
    assert not unnamed("'portability lock break RUN --fence N'")
