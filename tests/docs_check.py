"""Generated pages are what the sources say: `python -m tests.docs_check` (`make docs`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """The exit code: 0 where every page is current."""
    argv = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    return subprocess.run(argv, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
