"""The operator's own write probe, where routers stand before the tables. Runs with nothing but the standard library.

python ask_routers.py URL…      0: one of them would let a write through; 1: none would
"""

from __future__ import annotations

import sys
import urllib.request


def main() -> int:
    """Ask every router."""
    answers = [urllib.request.urlopen(f"{url}/policy", timeout=1).read() for url in sys.argv[1:]]  # noqa: S310 - loopback
    return 0 if b"open" in answers else 1


if __name__ == "__main__":
    sys.exit(main())
