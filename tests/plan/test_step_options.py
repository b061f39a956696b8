"""What a loader is told of the steps: their options and phases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from portability import errors
from portability.plan.load import Steps, load_recipe
from tests.plan.samples import KNOWN, RECIPE, edited


class Options(msgspec.Struct, forbid_unknown_fields=True):
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    groups: tuple[str, ...] = ()


STEPS = Steps(
    known=KNOWN,
    schemas={"copy_data": Options},
    phases={
        "preflight": "prepare",
        "open_channel": "prepare",
        "copy_data": "prepare",
        "cut_over": "flip",
        "soak": "soak",
    },
)


def load(text: str, folder: Path) -> None:
    (folder / "r.yaml").write_text(text)
    load_recipe(folder / "r.yaml", STEPS)


def refused(text: str, folder: Path) -> str:
    with pytest.raises(errors.FileInvalid) as refusal:
        load(text, folder)
    return refusal.value.what.removeprefix(f"{folder}/")


@pytest.mark.parametrize("with_", ("{}", "{workers: 8}", "{groups: []}", "{groups: [a, b, c]}"))
def test_options_that_the_step_knows_are_read(with_: str, tmp_path: Path) -> None:
    load(edited(RECIPE, "uses: copy_data", f"uses: copy_data\n    with: {with_}"), tmp_path)


@pytest.mark.parametrize(
    ("with_", "says"),
    (
        ("{worker: 8}", "with: unknown key 'worker'; did you mean 'workers'?"),
        ("{workers: 65}", "with.workers: expected a whole number from 1 to 64, got 65"),
        ("{groups: [a, 1]}", "with.groups[1]: expected text, got 1; put it in quotes"),
        ("[]", "with: expected a mapping, got a list"),
    ),
)
def test_options_that_the_step_does_not_know_are_refused_at_their_line(with_: str, says: str, tmp_path: Path) -> None:
    text = edited(RECIPE, "uses: copy_data", f"uses: copy_data\n    with: {with_}")
    assert refused(text, tmp_path) == f"r.yaml:14: steps[2].{says}"


def test_a_step_that_prepares_may_not_come_after_the_flip(tmp_path: Path) -> None:
    text = edited(RECIPE, "    needs: [copy]\n", "").replace("needs: [channel]", "needs: [cutover]")
    text = text.replace("    closes: [channel]\n", "    needs: [channel]\n")
    assert (
        refused(text, tmp_path)
        == "r.yaml:12: steps[2]: copy_data belongs to prepare, but a step of flip runs before it"
    )
