"""A plan file is whole, private, and tells when it was edited."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from portability import errors
from portability.model.change import Change, Sign
from portability.model.plan import Plan
from portability.plan import saved
from portability.plan.compile import compile_plan
from portability.plan.load import load_estate, shipped_recipes
from portability.plan.saved import MAX_BYTES, read_plan, write_plan
from tests.plan.samples import ESTATE, KNOWN, with_facts


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "e.yaml").write_text(ESTATE)
    plan = compile_plan(
        estate=load_estate(tmp_path / "e.yaml"),
        recipes=shipped_recipes(KNOWN),
        tenant="tenant-42",
        record_location=("basic", None),
        to="premium",
        account="123456789012",
    )
    assert isinstance(plan, Plan)
    change = Change(step="copy", sign=Sign.MOVE, kind="copy", name="Order", estimate={"items": 1204, "usd": 1.6})
    return with_facts(plan, {"Order": {"indexes": {"b", "a"}}}, [change])


def test_a_plan_is_read_back_as_it_was_written(plan: Plan, tmp_path: Path) -> None:
    write_plan(plan, tmp_path / "p.json")
    assert read_plan(tmp_path / "p.json", accounts=["123456789012"]) == plan


def test_only_the_owner_can_read_it_even_where_a_file_was_open_to_all(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text("old")
    path.chmod(0o666)
    write_plan(plan, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["e.yaml", "p.json"]


def test_every_edited_value_is_noticed(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    write_plan(plan, path)
    text = path.read_text()
    edits = [
        ('"tenant": "tenant-42"', '"tenant": "tenant-7"'),
        ('"Order-tenant-42"', '"Order-tenant-7"'),
        ('"freeze_max": "5s"', '"freeze_max": "9s"'),
        ('"made": ""', '"made": "again"'),
        ('"uses": "verify_data"', '"uses": "soak"'),
        ('"usd": 1.6', '"usd": 0.6'),
        ('"account": "123456789012"', '"account": "210987654321"'),
        (f'"digest": "{plan.digest}"', f'"digest": "{"0" * 64}"'),
    ]
    for old, new in edits:
        assert text.count(old) == 1, old
        path.write_text(text.replace(old, new))
        with pytest.raises(errors.PlanRejected, match="was edited after it was made"):
            read_plan(path)


def test_a_plan_sealed_anew_with_another_digest_is_noticed(plan: Plan, tmp_path: Path) -> None:
    """Only the digest is spent in the journal: it may not say something else than the plan."""
    forged = msgspec.structs.replace(plan, tenant="tenant-7")
    write_plan(forged, tmp_path / "p.json")
    with pytest.raises(errors.PlanRejected, match="was edited after it was made"):
        read_plan(tmp_path / "p.json")


def test_a_plan_of_a_newer_version_is_rejected_as_such(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    write_plan(plan, path)
    body = json.loads(path.read_text())
    path.write_text(json.dumps(body | {"portability_plan": 2}))
    with pytest.raises(errors.PlanRejected, match="was written in format 2; this version reads 1"):
        read_plan(path)
    body["plan"] |= {"schema": 2, "new_field": True}
    path.write_text(json.dumps(body))
    with pytest.raises(errors.PlanRejected, match="holds a plan of schema 2; this version reads up to 1"):
        read_plan(path)


def test_a_plan_for_another_account_is_rejected(plan: Plan, tmp_path: Path) -> None:
    write_plan(plan, tmp_path / "p.json")
    with pytest.raises(errors.PlanRejected, match="for account 123456789012, the credentials belong to 210987654321"):
        read_plan(tmp_path / "p.json", accounts=["210987654321"])


@pytest.mark.parametrize(
    "body",
    (b"", b"{}", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"portability_plan": 1}'),
    ids=lambda body: repr(body[:8]),
)
def test_a_file_that_is_no_plan_is_refused(body: bytes, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(body)
    with pytest.raises(errors.FileInvalid, match="not a plan"):
        read_plan(tmp_path / "p.json")


@pytest.mark.parametrize("inner", ("1", "[]", "{}", '{"schema": "1"}', '{"schema": true}', '{"schema": 1}', "[" * 20))
def test_a_plan_that_is_none_inside_is_rejected(inner: str, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(f'{{"portability_plan": 1, "seal": "", "plan": {inner}}}')
    with pytest.raises((errors.PlanRejected, errors.FileInvalid)):
        read_plan(tmp_path / "p.json")


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(errors.FileInvalid, match="larger than 8,000,000 bytes"):
        read_plan(tmp_path / "p.json")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.FileInvalid, match="No such file"):
        read_plan(tmp_path / "p.json")


def test_a_link_is_never_written_through(plan: Plan, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("kept")
    (tmp_path / "p.json").symlink_to(other)
    with pytest.raises(errors.CannotWriteFile, match="is a link"):
        write_plan(plan, tmp_path / "p.json")
    assert other.read_text() == "kept"


@pytest.mark.parametrize("inside", ("link/p.json", "link/../p.json"))
def test_a_path_inside_the_project_may_not_lead_out_of_it(inside: str, plan: Plan, tmp_path: Path) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside" / "deep"
    project.mkdir()
    outside.mkdir(parents=True)
    (project / "link").symlink_to(outside)
    with pytest.raises(errors.CannotWriteFile, match="leads through one out of"):
        write_plan(plan, project / inside, root=project)
    assert list(outside.parent.rglob("*.json")) == []
    write_plan(plan, tmp_path / "outside" / "p.json", root=project)  # asked for openly: no link hides it


def test_a_directory_that_is_not_there_is_said(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(errors.CannotWriteFile, match="No such file or directory"):
        write_plan(plan, tmp_path / "none" / "p.json")


def test_a_full_disk_leaves_the_old_file_and_no_rubbish(plan: Plan, tmp_path: Path) -> None:
    """A file-size limit stands for the full disk: the kernel refuses the write half way, in a process of its own."""
    path = tmp_path / "p.json"
    path.write_text("old")
    write_plan(plan, tmp_path / "whole.json")
    argv = [sys.executable, "-c", FULL, str(tmp_path / "whole.json"), str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout == f"the plan was not written to {path}: {os.strerror(errno.EFBIG)}\n", done.stderr
    assert path.read_text() == "old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["e.yaml", "p.json", "whole.json"]


FULL = f"""
import resource, signal, sys
from portability import errors
from {saved.__name__} import read_plan, write_plan

plan = read_plan(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_plan(plan, sys.argv[2])
except errors.CannotWriteFile as error:
    print(error.what)
"""
