"""A saved plan: run once, refused where the estate moved on, where it was edited, or where it is for another tenant."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.bench import Bench, parked_after

MakeBench = Callable[..., Bench]


@pytest.fixture
def mine(fresh_bench: MakeBench) -> Bench:
    return fresh_bench()


def test_a_saved_plan_runs_once(mine: Bench) -> None:
    mine.run("plan", "tenant-42", "--to", "premium", "--out", "x.plan").expect(0)
    assert (mine.folder / "x.plan").stat().st_mode & 0o777 == 0o600
    assert "+ table Order-tenant-42" in mine.run("plan", "show", "x.plan").expect(0).said
    planned = ("migrate", "tenant-42", "--to", "premium", "--plan", "x.plan", "--until", "preflight")
    run = mine.run(*planned, "-o", "json").expect(7).json["run_id"]
    mine.run("cancel", run, "--yes").expect(0)
    before = mine.inventory()
    spent = mine.run(*planned).expect(6)
    assert f"used by run {run}" in spent.said
    assert mine.inventory() == before


def test_the_same_move_can_be_planned_again_after_it_was_taken_back(mine: Bench) -> None:
    for _ in range(2):
        run = parked_after(mine, "preflight")["run_id"]
        mine.run("cancel", run, "--yes").expect(0)


def test_a_stale_plan_is_exit_6_and_names_what_differs(mine: Bench) -> None:
    mine.run("plan", "tenant-42", "--to", "premium", "--out", "x.plan").expect(0)
    before = mine.inventory()
    config = mine.estate(soak="2s")
    ran = mine.run("migrate", "tenant-42", "--to", "premium", "--plan", "x.plan", config=config).expect(6)
    assert 'estate.soak: "1s" -> "2s"' in ran.said
    assert mine.inventory() == before


def test_an_edited_plan_and_one_for_another_tenant_are_exit_6(mine: Bench) -> None:
    mine.run("plan", "tenant-42", "--to", "premium", "--out", "x.plan").expect(0)
    before = mine.inventory()
    mine.run("migrate", "tenant-1", "--to", "premium", "--plan", "x.plan").expect(6)
    mine.run("migrate", "tenant-42", "--to", "standard", "--plan", "x.plan").expect(6)
    text = (mine.folder / "x.plan").read_text()
    (mine.folder / "x.plan").write_text(text.replace("Order-tenant-42", "Order-tenant-41"))
    ran = mine.run("migrate", "tenant-42", "--to", "premium", "--plan", "x.plan").expect(6)
    assert "was edited" in ran.said
    assert mine.inventory() == before
