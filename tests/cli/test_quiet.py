"""What -q leaves: the result of a verb that looks, nothing of a verb that acts, and every error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.bench import TO_PREMIUM, Bench

MakeBench = Callable[..., Bench]


@pytest.mark.parametrize(
    "argv",
    (("status",), ("doctor", "tenant-42"), ("plan", "tenant-42", "--to", "premium"), ("run", "list"), ("explain",)),
    ids=" ".join,
)
@pytest.mark.usefixtures("unchanged")
def test_a_verb_that_looks_prints_its_result_and_nothing_else(bench: Bench, argv: tuple[str, ...]) -> None:
    quiet = bench.run("-q", *argv).expect(0)
    assert quiet.stdout
    assert quiet.stderr == ""


def test_a_verb_that_acts_is_silent_unless_it_fails(fresh_bench: MakeBench) -> None:
    mine = fresh_bench()
    acted = mine.run("init", "-q").expect(0)
    assert (acted.stdout, acted.stderr) == ("", "")
    parked = mine.run(*TO_PREMIUM, "--until", "preflight", "-q").expect(7)
    assert parked.stdout == ""
    assert parked.stderr.startswith("PORT-E700 ")
    assert parked.stderr.count("PORT-") == 1
    told = mine.run("resume", "--until", "identity", "-q", "-o", "json").expect(7)
    assert told.json["state"] == "parked", "a program that asks for the object gets it"
    cancelled = mine.run("cancel", "tenant-42", "-q", "--yes").expect(0)
    assert (cancelled.stdout, cancelled.stderr) == ("", "")
