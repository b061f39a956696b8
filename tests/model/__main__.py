"""Explore everything, print each counterexample, and write the page; `--deep`: the large spaces too."""

from __future__ import annotations

import argparse
import sys
import time

from tests.model import page
from tests.model.spaces import DEEP, RULES, SPACES, explored, without


def main() -> int:
    """Explore; 1 where a space holds a counterexample or a rule's absence shows none."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--deep", action="store_true", help="explore the large spaces too: two minutes, 900 MB")
    deep = parser.parse_args().deep
    failed = False
    for space in (*SPACES, *(DEEP if deep else ())):
        began = time.monotonic()
        found = explored(space)
        failed = failed or found.counterexample is not None or found.states < space.floor
        print(f"{space.about}: {found.states:,} states, {found.steps:,} steps, {time.monotonic() - began:.0f} s")
        if found.counterexample is not None:
            print(found.counterexample)
    for model, rules in RULES.items():
        for rule in rules:
            missing = without(model, rule)
            failed = failed or missing is None
            print(f"\n{model} without {rule!r}\n{missing}")
    page.FILE.write_text(page.page(), encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
