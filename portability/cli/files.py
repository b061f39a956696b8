"""Files the command is told to write: whole or not at all, and never through a link out of the project."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from portability import errors

READABLE = 0o644
"""Of a file that is written; a temporary one is its maker's alone."""


def write_whole(path: Path, text: str, *, root: Path, replace: bool = True) -> bool:
    """Write `text` to `path`; False where a file is there and `replace` is off.

    A relative path must end under `root` after its links are followed. Raises `CannotWriteFile`; an old file is then as
    it was.
    """
    target = path if path.is_absolute() else root / path
    if not path.is_absolute() and not target.resolve().is_relative_to(root.resolve()):
        raise errors.CannotWriteFile(f"{path} leads out of the project", next="name a file inside it")
    if target.exists() and not replace:
        return False
    if target.exists() and not target.is_file():
        _into(target, text)
        return True
    handle, name = None, ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(READABLE)
        Path(name).replace(target)
    except OSError as error:
        if name:
            with contextlib.suppress(OSError):
                Path(name).unlink()
        raise _cannot(path, error) from None
    return True


def _into(target: Path, text: str) -> None:
    """A device or a pipe is written to, not replaced."""
    try:
        with target.open("w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise _cannot(target, error) from None


def _cannot(path: Path, error: OSError) -> errors.CannotWriteFile:
    return errors.CannotWriteFile(
        f"{path}: {error.strerror or type(error).__name__}", next="make room, or name another file"
    )
