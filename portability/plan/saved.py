"""A plan in a file: written whole or not at all, readable by its owner only, refused if it was edited.

The file is JSON: `{"portability_plan": 1, "seal": SHA-256 of the plan as it stands, "plan": {…}}`. The digest inside
the plan is what the journal spends; the seal also covers the preview. Neither is a signature: whoever can write the
file can seal it anew, which is why a run compares the plan with the estate it observes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import pathlib
import tempfile
from collections.abc import Collection
from typing import Any

import msgspec

from portability import errors
from portability.model.plan import PLAN_SCHEMA, Plan
from portability.plan.digest import canonical, digest

FORMAT = 1
MAX_BYTES = 8_000_000
MODE = 0o600


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    portability_plan: int
    seal: str
    plan: msgspec.Raw


def write_plan(plan: Plan, path: str | os.PathLike[str], *, root: str | os.PathLike[str] = ".") -> None:
    """Write the plan to `path`, mode 0600, replacing a file that is there in one step.

    A path under `root` (the project) must also end there after its links are followed, and the file itself must be no
    link. Raises `CannotWriteFile`; the old file, if any, is then as it was.
    """
    target = pathlib.Path(path)
    _refuse_link(target, pathlib.Path(root))
    as_read = msgspec.json.decode(
        msgspec.json.encode(plan), type=Plan
    )  # 5 items in, 5.0 out: the seal is of what is read
    body = msgspec.json.encode({"portability_plan": FORMAT, "seal": _seal(as_read), "plan": as_read})
    try:
        _replace(target, msgspec.json.format(body, indent=1) + b"\n")
    except OSError as error:
        what = f"the plan was not written to {target}: {error.strerror or type(error).__name__}"
        raise errors.CannotWriteFile(what, next="portability plan TENANT --to TIER --out ANOTHER-FILE") from None


def read_plan(path: str | os.PathLike[str], *, accounts: Collection[str] | None = None) -> Plan:
    """The plan in the file. `accounts` are those of the credentials in use, where they are known.

    Raises `FileInvalid` for a file that is missing, too large or no plan at all, and `PlanRejected` for one that was
    edited, was written by a newer version, or was made for another account.
    """
    target = pathlib.Path(path)
    envelope = _envelope(target, _raw(target))
    if envelope.portability_plan != FORMAT:
        raise _rejected(target, f"was written in format {envelope.portability_plan}; this version reads {FORMAT}")
    try:
        head = msgspec.json.decode(envelope.plan, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _rejected(target, "was edited: it is no plan any more") from None
    schema = head.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema > PLAN_SCHEMA:
        raise _rejected(target, f"holds a plan of schema {schema!a}; this version reads up to {PLAN_SCHEMA}")
    try:
        plan = msgspec.json.decode(envelope.plan, type=Plan)
        honest = envelope.seal == _seal(plan) and plan.digest == digest(plan)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError):
        honest, plan = False, None
    if plan is None or not honest:
        raise _rejected(target, "was edited after it was made")
    if accounts is not None and plan.account not in accounts:
        raise _rejected(target, f"was made for account {plan.account}, the credentials belong to {', '.join(accounts)}")
    return plan


def _seal(plan: Plan) -> str:
    return hashlib.sha256(canonical(msgspec.to_builtins(plan))).hexdigest()


def _rejected(path: pathlib.Path, why: str) -> errors.PlanRejected:
    return errors.PlanRejected(f"{path} {why}", next=f"portability plan TENANT --to TIER --out {path}")


def _raw(path: pathlib.Path) -> bytes:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        what = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise errors.FileInvalid(
            what, where=f"{path}:1", next=f"portability plan TENANT --to TIER --out {path}"
        ) from None
    if len(raw) > MAX_BYTES:
        what = f"larger than {MAX_BYTES:,} bytes: no plan"
        raise errors.FileInvalid(what, where=f"{path}:1", next="portability plan TENANT --to TIER --out FILE")
    return raw


def _envelope(path: pathlib.Path, raw: bytes) -> _Envelope:
    try:
        return msgspec.json.decode(raw, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        what = "not a plan that `portability plan --out` wrote"
        raise errors.FileInvalid(what, where=f"{path}:1", next="portability plan TENANT --to TIER --out FILE") from None


def _refuse_link(path: pathlib.Path, root: pathlib.Path) -> None:
    """A link could send the file over another one, or out of the project."""
    home = pathlib.Path(os.path.abspath(root))  # noqa: PTH100 - as it is spelt; resolve() would follow links
    spelt = pathlib.Path(os.path.abspath(path))  # noqa: PTH100 - as above
    escapes = spelt.is_relative_to(home) and not path.parent.resolve().is_relative_to(home.resolve())
    if path.is_symlink() or escapes:
        what = f"{path} is a link, or leads through one out of {home}"
        raise errors.CannotWriteFile(what, next="portability plan TENANT --to TIER --out ANOTHER-FILE")


def _replace(path: pathlib.Path, body: bytes) -> None:
    """Write beside, make durable, rename; a device or a directory is never replaced. Source: rename(2), fsync(2)."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EEXIST, "it is there and is no regular file")
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
            os.fchmod(stream.fileno(), MODE)
        pathlib.Path(beside).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            pathlib.Path(beside).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
