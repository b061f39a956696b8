"""The `directory_flag` fence waits for an application's cache, which has its longest request in it, once."""

from __future__ import annotations

import msgspec
import pytest

from portability.model.estate import Estate, Fence
from portability.plan.check_estate import check_estate
from portability.plan.load import load_estate
from portability.steps.fence.directory_flag import DirectoryFlag
from tests.support.dynamodb_local import ROOT


def estate(cache: str, longest: str, freeze_max: str) -> Estate:
    read = load_estate(ROOT / "plans" / "estate.yaml")
    fence = Fence(use=["directory_flag"], max_in_flight=longest, freeze_max=freeze_max, drain="2s", lifts_within="0s")
    return msgspec.structs.replace(read, fence=fence, directory=msgspec.structs.replace(read.directory, cache=cache))


@pytest.mark.parametrize(("cache", "longest", "effective"), (("5s", "2s", 5.0), ("2s", "2s", 2.0), ("0s", "3s", 3.0)))
def test_the_longest_request_is_counted_once(cache: str, longest: str, effective: float) -> None:
    assert DirectoryFlag.of(estate(cache, longest, "30s")).effective_within == effective
    just = f"{effective + 2:g}s"
    short = f"{int((effective + 2) * 1000) - 1}ms"
    assert not [one for one in check_estate(estate(cache, longest, just)) if "freeze_max" in one[0]]
    assert [one for one in check_estate(estate(cache, longest, short)) if "freeze_max" in one[0]]
