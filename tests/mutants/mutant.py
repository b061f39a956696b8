"""What a mutant is, and the two halves of killing one: a copy of the tree with the edit, and the test in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREE = ("portability", "plans", "tests", "pyproject.toml", "docs")
LINKED = (".venv", ".engines")
FAILED = 1
"""How pytest ends where tests failed. Anything else (nothing collected, an error of usage) kills no mutant."""

PATIENCE = 300.0
"""Seconds after which a test that does not end has found something: it ends without the edit."""


@dataclass(frozen=True)
class Mutant:
    """One edit of the product: `before` occurs once in `file` and becomes `after`; `test` must then fail."""

    name: str
    file: str
    before: str
    after: str
    test: str  # a node id
    why: str  # what is lost without it

    def problems(self, root: Path = ROOT) -> Iterator[str]:
        """What is wrong with the mutant itself, in words."""
        count = (root / self.file).read_text(encoding="utf-8").count(self.before)
        if count != 1:
            yield f"{self.name}: its `before` occurs {count} times in {self.file}"
        path, _, name = self.test.partition("::")
        function = name.partition("[")[0].rpartition("::")[2]
        if not (root / path).exists() or f"def {function}(" not in (root / path).read_text(encoding="utf-8"):
            yield f"{self.name}: there is no test {self.test}"
        if self.before == self.after:
            yield f"{self.name}: it changes nothing"

    def apply(self, root: Path) -> None:
        """Make the edit in a tree."""
        path = root / self.file
        path.write_text(path.read_text(encoding="utf-8").replace(self.before, self.after), encoding="utf-8")


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant."""

    name: str
    killed: bool
    seconds: float
    test: str
    said: str  # the end of what pytest said


@contextmanager
def copied() -> Iterator[Path]:
    """A tree of its own, with the engines and the environment of this one."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        root = Path(folder)
        for name in TREE:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, root / name)
        for name in LINKED:
            if (ROOT / name).exists():
                (root / name).symlink_to((ROOT / name).resolve())
        yield root


def tested(root: Path, tests: Sequence[str]) -> tuple[int | None, str]:
    """How pytest ends over these tests in a tree, None where it does not; and the end of what it said."""
    argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(
            argv, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return None, f"no end after {PATIENCE:g} s"
    return ended.returncode, (ended.stdout + ended.stderr)[-2000:]


def hunt(mutant: Mutant) -> Outcome:
    """Apply one mutant in a copy and run its test."""
    began = time.monotonic()
    with copied() as root:
        mutant.apply(root)
        code, said = tested(root, [mutant.test])
    return Outcome(mutant.name, code in (FAILED, None), round(time.monotonic() - began, 1), mutant.test, said)
