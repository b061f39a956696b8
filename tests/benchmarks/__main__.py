"""`make bench`: measure, print the table, end 1 where a figure falls short.

python -m tests.benchmarks [--only client,engine] [--cutovers 100] [--pairs 5] [--write]
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec

from tests.benchmarks import page, results
from tests.benchmarks.parts import channel, client, engine, load, pause, throttle, verify
from tests.benchmarks.results import Part, Report
from tests.benchmarks.sizes import Sizes
from tests.benchmarks.targets import TARGETS, missed

Measure = Callable[[Sizes], dict[str, Part]]
PARTS: Mapping[str, Measure] = {
    "client": client.measure,
    "memory": client.measure_memory,
    "engine": engine.measure,
    "verify": verify.measure,
    "channel": channel.measure,
    "throttle": throttle.measure,
    "load": load.measure,
    "pause": pause.measure,
}
"""What measures each part; a measurement may give another part along with its own."""
ALL = tuple(dict.fromkeys(target.part for target in TARGETS))


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 where every figure of the parts that were asked for is reached."""
    asked = _parser().parse_args(argv)
    chosen = asked.only.split(",") if asked.only else list(ALL)
    before = results.load()
    now = Report(
        machine=results.this_machine(),
        versions=results.these_versions(),
        command="make bench" if not asked.only else f"make bench ONLY={asked.only}",
    )
    if asked.write and asked.only:
        if before.machine is not None and (before.machine, before.versions) != (now.machine, now.versions):
            sys.stderr.write("docs/benchmarks.json is of another machine or other versions: measure everything\n")
            return 2
        now = msgspec.structs.replace(now, parts=before.parts)
    measured = measure_all(chosen, replace(Sizes(), pairs=asked.pairs, cutovers=asked.cutovers))
    now = msgspec.structs.replace(now, parts={**now.parts, **measured})
    sys.stdout.write("\n".join(page.summary(now)) + "\n")
    for target in (short := missed(now, frozenset(chosen))):
        sys.stdout.write(f"falls short: {target.says}\n")
    if asked.write:
        results.keep(now)
        page.write()
    return 1 if short else 0


def measure_all(chosen: Sequence[str], sizes: Sizes) -> dict[str, Part]:
    """Measure parts one after the other; a part that came along with another is not measured again."""
    found: dict[str, Part] = {}
    for name in chosen:
        if name in found or name not in PARTS:
            continue
        began = time.monotonic()
        try:
            made = PARTS[name](sizes)
        except Exception:  # noqa: BLE001 - the other parts are measured; this one's figures are missed
            traceback.print_exc()
            continue
        seconds = round(time.monotonic() - began, 1)
        sys.stderr.write(f"{name}: {seconds:.0f} s\n")
        found |= {each: msgspec.structs.replace(part, seconds=seconds) for each, part in made.items() if each in chosen}
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure and hold to the targets.")
    parser.add_argument("--only", default="", help=f"parts, joined by commas: {', '.join(ALL)}")
    parser.add_argument("--pairs", type=int, default=Sizes.pairs, help="paired runs of each comparison")
    parser.add_argument("--cutovers", type=int, default=Sizes.cutovers, help="pauses that are measured")
    parser.add_argument("--write", action="store_true", help="keep the result in docs/benchmarks.json and its page")
    return parser


if __name__ == "__main__":
    sys.exit(main())
