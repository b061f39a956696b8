"""Builds the outside package and puts it on the path as pip would, without a network and without touching the venv."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def install(into: Path) -> None:
    """Build the wheel with the hatchling of the dev extra, and unpack it: a wheel is an installed package, zipped."""
    wheels = into / "wheels"
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(argv, cwd=HERE, check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(into)
