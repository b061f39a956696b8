"""An unexpected exception, kept for a bug report: where it was, never what the data was."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback

from portability import __version__, errors


def write_crash(error: BaseException, *, run: str | None) -> tuple[str | None, str]:
    """Write what is known to a file of mode 0600; its path (None if it cannot be written) and the text.

    Of a foreign exception only the type is kept: its message may hold a tenant's data.
    """
    text = describe_crash(error, run=run)
    try:
        handle, name = tempfile.mkstemp(prefix="portability-crash-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        return None, text
    return name, text


def describe_crash(error: BaseException, *, run: str | None) -> str:
    """Version, run, and every exception of the chain with its frames: files, lines, functions."""
    lines = [f"portability {__version__}, Python {sys.version.split()[0]}, run {run or 'none'}"]
    link: BaseException | None = error
    while link is not None:
        said = f": {link.code} {link.what}" if isinstance(link, errors.PortabilityError) else ""
        lines.append(f"{type(link).__module__}.{type(link).__qualname__}{said}")
        frames = traceback.extract_tb(link.__traceback__)
        lines += [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n".join(lines) + "\n"
