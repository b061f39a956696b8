"""What each exit code says, and which one an error has. One table, shown by `portability explain exit-codes`."""

from __future__ import annotations

from portability import errors

DONE = 0
BUG = 1
CHANGES = 2
REFUSED = 3
USAGE = 64

TABLE: dict[int, str] = {
    DONE: "done, or nothing to do",
    BUG: "internal error (a bug)",
    CHANGES: "changes present (only with --detailed-exitcode)",
    REFUSED: "refused before any write",
    4: "credentials, permission, expiry",
    5: "lease held by another run, or lost",
    6: "plan stale, spent, edited or for another estate",
    7: "parked: gate, approval, postponed, --until reached; resumable, nothing frozen",
    8: "a step failed; resumable",
    9: "the run unwound by itself; the source serves",
    10: "unwinding incomplete: an operator is needed",
    11: "verification mismatch, tripwire or drift",
    12: "waited too long; the run goes on",
    USAGE: "usage error, or no confirmation under --no-input",
    129: "SIGHUP: parked safely, lease released",
    130: "SIGINT: parked safely, lease released",
    143: "SIGTERM: parked safely, lease released",
}


def exit_code(error: errors.PortabilityError, *, wrote: bool) -> int:
    """The exit code of `error`. `wrote` says whether a run was begun: before that an AWS refusal is exit 3."""
    if isinstance(error, errors.AwsError) and error.exit_code == errors.AwsError.exit_code and not wrote:
        return REFUSED
    return error.exit_code
