"""Documentation is what the tool does: `python -m tests.docs_check` (`make docs`).

Generated pages are current, those of the benchmarks and the crash campaign too; links, anchors, commands, options,
YAML, names and screens in every page are ones that there are (`tests/docs/checks.py`). No engine, no account, no
command is run.
"""

from __future__ import annotations

import subprocess
import sys

from tests.benchmarks import page
from tests.crash import results
from tests.docs.checks import ROOT, problems


def main() -> int:
    """The exit code: 0 where every page is right."""
    argv = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    stale = subprocess.run(argv, cwd=ROOT, check=False).returncode
    measured = page.main(["--check"]) or results.main(["--check"])
    found = problems()
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if stale or measured or found else 0


if __name__ == "__main__":
    sys.exit(main())
