"""What was measured: values, and the file they are kept in (docs/benchmarks.json)."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import statistics
import subprocess
from pathlib import Path

import msgspec

from tests.support.dynamodb_local import PACKAGE, PACKAGE_VERSION, ROOT

KEPT = ROOT / "docs" / "benchmarks.json"
LIBRARIES = ("boto3", "botocore", "msgspec")


class Row(msgspec.Struct, frozen=True):
    """One thing that was measured, each run of it, in the order of the runs."""

    name: str
    unit: str
    runs: list[float]

    @property
    def median(self) -> float:
        """The median of the runs."""
        return statistics.median(self.runs)


class Part(msgspec.Struct, frozen=True):
    """One part's outcome. `figures` are the values that targets are held against, by name."""

    rows: list[Row]
    figures: dict[str, float]
    notes: list[str] = []
    profile: list[tuple[str, float]] = []  # where our own time went: function, share of the samples
    seconds: float = 0.0  # that the part took


class Machine(msgspec.Struct, frozen=True):
    """What it ran on."""

    cpu: str
    cores: int
    memory_gb: int
    system: str


class Report(msgspec.Struct, frozen=True):
    """Everything that was measured on one machine with one set of versions."""

    machine: Machine | None = None
    versions: dict[str, str] = {}
    command: str = "make bench"
    parts: dict[str, Part] = {}


def ratios(over: Row, under: Row) -> Row:
    """The ratio of each pair of runs."""
    pairs = [round(high / low, 3) for high, low in zip(over.runs, under.runs, strict=True)]
    return Row(f"{over.name} / {under.name}", "ratio", pairs)


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(share * 100) // 100) - 1)]


def load(path: Path = KEPT) -> Report:
    """What is kept; nothing measured where there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=Report) if path.exists() else Report()


def keep(report: Report, path: Path = KEPT) -> None:
    """Write the file."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def this_machine() -> Machine:
    """CPU model, cores, memory and system: never a name of it."""
    info = Path("/proc/cpuinfo")
    model = (
        re.search(r"^model name\s*:\s*(.+)$", info.read_text(encoding="utf-8"), re.MULTILINE) if info.exists() else None
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        cpu=model[1] if model else platform.processor() or platform.machine(),
        cores=os.cpu_count() or 1,
        memory_gb=round(memory / 2**30),
        system=f"{platform.system()} {platform.machine()}",
    )


def these_versions() -> dict[str, str]:
    """Python, Java, the libraries on the data path, and the engine."""
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    found = re.search(r'version "([^"]+)"', java)
    return {
        "Python": platform.python_version(),
        "Java": found[1] if found else "unknown",
        **{name: importlib.metadata.version(name) for name in LIBRARIES},
        "DynamoDB Local": f"{PACKAGE} {PACKAGE_VERSION}",
    }
