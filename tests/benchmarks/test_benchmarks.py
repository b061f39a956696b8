"""The benchmarks run, and hold their figures to the targets. Nothing here is timed: no figure means anything."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.benchmarks import moving, page, results
from tests.benchmarks.__main__ import PARTS, measure_all
from tests.benchmarks.parts.client import CONTESTS
from tests.benchmarks.parts.throttle import ahead, of_a_copy
from tests.benchmarks.results import Part, Report, Row
from tests.benchmarks.sizes import SMOKE, Sizes
from tests.benchmarks.targets import TARGETS, missed

ALONG = {"client": ["client", "memory"]}
"""Parts that a measurement gives along with its own."""


@pytest.mark.slow
@pytest.mark.timeout(400)  # processes are what it is about: on a busy machine each takes its time to start
@pytest.mark.parametrize("part", sorted(PARTS.keys() - {"memory"}))
def test_every_part_measures_figures_that_targets_name(
    part: str, dynamodb_local: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNAMODB_LOCAL_URL", dynamodb_local)
    found = measure_all(ALONG.get(part, [part]), SMOKE)
    assert set(found) == set(ALONG.get(part, [part]))
    for name, measured in found.items():
        figures = {target.figure for target in TARGETS if target.part == name}
        assert measured.figures.keys() == (figures if name != "client" else set(SMOKE.contests))
        assert all(value > 0 for figure, value in measured.figures.items() if figure != "overshoot")
        assert all(row.runs for row in measured.rows)


def test_every_figure_of_a_client_is_a_contest_that_is_held() -> None:
    assert {target.figure for target in TARGETS if target.part == "client"} < set(Sizes().contests) == set(CONTESTS)


def test_a_report_whose_every_figure_is_at_its_bound_misses_none() -> None:
    assert missed(_report(), frozenset(target.part for target in TARGETS)) == []


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.part}.{target.figure}")
def test_a_figure_beyond_its_bound_is_missed(target: object) -> None:
    (chosen,) = (each for each in TARGETS if each is target)
    beyond = chosen.bound * (1.001 if chosen.at_most else 0.999)
    assert missed(_report({(chosen.part, chosen.figure): beyond}), frozenset({chosen.part})) == [chosen]


def test_a_figure_that_was_not_measured_is_missed_where_its_part_was_asked_for() -> None:
    assert missed(Report(), frozenset({"client"})) == [target for target in TARGETS if target.part == "client"]
    assert missed(Report(), frozenset()) == []


def test_a_ratio_is_of_each_pair_and_not_of_the_medians() -> None:
    ratio = results.ratios(Row("theirs", "s", [10.0, 20.0, 90.0]), Row("ours", "s", [1.0, 10.0, 10.0]))
    assert ratio.runs == [10.0, 2.0, 9.0]
    assert ratio.median == 9.0


@pytest.mark.parametrize(("share", "value"), ((0.5, 50.0), (0.99, 99.0), (1.0, 100.0)))
def test_a_percentile_is_the_value_that_so_many_do_not_exceed(share: float, value: float) -> None:
    assert results.percentile([float(each) for each in range(100, 0, -1)], share) == value
    assert results.percentile([7.0], share) == 7.0


def test_what_a_copy_took_is_from_its_first_write_to_its_last() -> None:
    assert of_a_copy([0, 0, 3, 0, *[10] * 10, 7, 0]) == [3, 0, *[10] * 10, 7]
    for short in ([], [0, 0], [3, *[10] * 9, 7]):
        with pytest.raises(ValueError, match="within a second"):
            of_a_copy(short)


@pytest.mark.parametrize(
    ("taken", "units"),
    (([10, 10, 10], 0.0), ([0, 20, 10], 0.0), ([10, 15, 5, 10], 5.0), ([12, 8, 10, 13], 3.0), ([5, 5, 5], 0.0)),
)
def test_a_copy_is_ahead_of_its_grant_by_what_it_took_too_early(taken: list[int], units: float) -> None:
    assert ahead(taken, 100.0) == units


def test_the_page_says_what_was_measured_what_was_wanted_and_what_falls_short(tmp_path: Path) -> None:
    report = _report({("client", "tls_1k"): 12.5})
    results.keep(report, tmp_path / "kept.json")
    kept = results.load(tmp_path / "kept.json")
    assert kept == report
    text = page.text(kept)
    assert "| CPU of the client, TLS, 1 KB items | 12.5x | at least 20x (stretch 40x) | **not reached** |" in text
    assert "| CPU of the client, TLS, 200 B items | 15x | at least 15x | reached |" in text


def test_the_page_is_the_one_that_the_kept_result_makes() -> None:
    assert not page.stale(), "python -m tests.benchmarks.page"


def test_a_page_that_shows_another_number_is_stale() -> None:
    changed = msgspec.structs.replace(results.load(), parts=_report().parts)
    assert page.text(changed) != page.PAGE.read_text(encoding="utf-8")


def test_partition_keys_are_those_of_one_tenant_where_they_have_its_suffixes() -> None:
    assert moving.tenants_of(["t-4-2", "t-4-10", "alone", "t-4-07"]) == {
        "t-4": ((2, 10), ["t-4-2", "t-4-10"]),
        "alone": (None, ["alone"]),
        "t-4-07": (None, ["t-4-07"]),
    }


def _report(changed: dict[tuple[str, str], float] | None = None) -> Report:
    parts: dict[str, Part] = {}
    for target in TARGETS:
        figures = parts[target.part].figures if target.part in parts else {}
        value = (changed or {}).get((target.part, target.figure), target.bound)
        parts[target.part] = Part([Row("a row", "items/s", [1.0])], {**figures, target.figure: value})
    return Report(machine=results.Machine("a CPU", 2, 24, "Linux x86_64"), versions={"Python": "3.11"}, parts=parts)
