"""Every error has a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from portability import errors
from portability.report.error_pages import TEXT, every_page, kinds
from tests.cli import bench


def test_every_error_code_has_a_paragraph_and_no_paragraph_is_left_over() -> None:
    codes = {kind.code for kind in kinds()}
    assert codes == set(TEXT)
    assert all(len(page.text) > 40 and page.text.endswith(".") for page in every_page())


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in kinds()]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("code", ("PORT-E105", "port-e105", "E105", "e105"))
def test_a_code_is_explained_however_it_is_spelt(code: str, tmp_path: Path) -> None:
    told = bench.run(["explain", code], {}, tmp_path).expect(0)
    assert told.stdout.startswith("PORT-E105 LeaseHeld, exit 5\n")
    assert "--lock-timeout" in told.stdout


def test_an_error_of_a_signal_names_every_exit_code_it_ends_with(tmp_path: Path) -> None:
    assert "PORT-E130 Interrupted, exit 129/130/143\n" in bench.run(["explain", "e130"], {}, tmp_path).expect(0).stdout


def test_an_unknown_code_is_refused(tmp_path: Path) -> None:
    bench.run(["explain", "PORT-E999"], {}, tmp_path).expect(3)


def test_without_a_code_every_one_is_listed(tmp_path: Path) -> None:
    told = bench.run(["explain"], {}, tmp_path).expect(0).stdout
    assert all(code in told for code in TEXT)
    assert errors.LeaseHeld.code in told
