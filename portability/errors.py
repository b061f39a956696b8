"""Every deliberate error, and nothing else.

An error says what happened, where, what was and was not changed, and the next command. `code` is stable and
documented (`portability explain PORT-E105`); the exit code belongs to the family.

    PortabilityError
    ├── UsageMistake            64  the command line itself is wrong, or a confirmation is missing
    ├── Refused                  3  refused before any write
    │   ├── FileInvalid             a YAML file is malformed; carries file:line
    │   ├── UnknownName             a tenant, tier, placement, store or run that does not exist
    │   ├── NoRecipe                no recipe moves this pair of models
    │   ├── WrongEstate             other account or region than the estate allows
    │   ├── PreflightRefused        one or more blocking findings
    │   ├── JournalMissing          the journal table is not there
    │   ├── JournalNewer            entries written by a newer version
    │   ├── EndpointDown            no answer from the service
    │   └── CannotWriteFile         disk full, no permission
    ├── Unauthorised             4  credentials missing, expired, or lacking a permission
    ├── LeaseHeld                5  another live holder, another run, or another target
    ├── PlanRejected             6  stale, spent, edited or made for another estate
    ├── Parked                   7  a gate, `--until`, postponed; resumable, nothing frozen
    ├── StepFailed               8  a step failed after its retries; resumable
    ├── SelfUnwound              9  the run took itself back; the source serves
    ├── UnwindIncomplete        10  an undo failed; an operator is needed
    ├── Mismatch                11  verification difference, tripwire or drift
    │   ├── StampMoved              the directory record carries another stamp than expected
    │   └── SchemaDrift             attributes that the shared table does not know, and the estate does not map
    ├── WaitedTooLong           12  the watcher's patience ended; the run goes on
    ├── Interrupted    129/130/143  a signal parked the run
    ├── LeaseLost                5  this process no longer holds the run; it wrote nothing more
    ├── JournalBroken           11  the hash chain or its head does not match
    └── AwsError                    an AWS call failed, by condition (raised by `aws/` only)
        ├── NotFound
        ├── AlreadyExists
        ├── ConditionFailed         carries the old item where the service returned it
        ├── TransactionConflict     retryable, never read as a lost lease
        ├── Throttled               retryable
        ├── Unavailable             5xx; retryable, no definite answer
        ├── NoDefiniteAnswer        time-out or reset: the effect may land late
        ├── BadRequest              the service refused the request itself (ValidationException)
        ├── Unsupported             this engine lacks the operation
        ├── Trimmed                 a stream position is lost: its units are compared anew, never skipped
        └── ReadOnlyClient          a mutating call on a read-only client (a bug of ours, stopped)
"""

from __future__ import annotations

from typing import Any

AGAIN = "the same command again"
"""The next command of an error raised where no run is known. Whoever drives a run says `portability resume RUN`."""

SIDE = "same side"
"""Who serves, of an error raised where that is not known. Whoever drives a run says `source` or `target`."""


class PortabilityError(Exception):
    """The root. `next` is required: an error without a next command is not finished."""

    code = "PORT-E001"
    exit_code = 1

    def __init__(self, what: str, *, next: str, changed: str = "Nothing was changed.", code: str | None = None) -> None:  # noqa: A002 - the word the operator reads
        super().__init__(what)
        self.what = what
        self.next = next
        self.changed = changed
        if code is not None:
            self.code = code


class UsageMistake(PortabilityError):
    """The command line is wrong, or a needed confirmation was not given."""

    code, exit_code = "PORT-E064", 64


class Refused(PortabilityError):
    """Refused before any write."""

    code, exit_code = "PORT-E300", 3


class FileInvalid(Refused):
    """A YAML or plan file that cannot be used; `where` is `file:line`."""

    code = "PORT-E301"

    def __init__(self, what: str, *, where: str, next: str) -> None:  # noqa: A002
        super().__init__(f"{where}: {what}", next=next)
        self.where = where


class UnknownName(Refused):
    """A tenant, tier, placement, store or run that does not exist."""

    code = "PORT-E302"


class NoRecipe(Refused):
    """No recipe in `plans/` moves this pair of models."""

    code = "PORT-E303"


class WrongEstate(Refused):
    """The credentials belong to another account, or the region is not in the estate."""

    code = "PORT-E304"


class PreflightRefused(Refused):
    """One or more blocking findings; each is a line of `what`."""

    code = "PORT-E305"


class JournalMissing(Refused):
    """The journal table does not exist."""

    code = "PORT-E306"


class JournalNewer(Refused):
    """The run was written by a newer version of this tool."""

    code = "PORT-E307"


class EndpointDown(Refused):
    """A service did not answer."""

    code = "PORT-E308"


class CannotWriteFile(Refused):
    """A local file could not be written whole; the old one, if any, is untouched."""

    code = "PORT-E309"


class Unauthorised(PortabilityError):
    """Credentials are missing, expired, or lack a permission."""

    code, exit_code = "PORT-E400", 4


class LeaseHeld(PortabilityError):
    """Another live holder has the tenant, or its run has another target."""

    code, exit_code = "PORT-E105", 5


class LeaseLost(PortabilityError):
    """Another process took over; this one stopped writing."""

    code, exit_code = "PORT-E106", 5


class PlanRejected(PortabilityError):
    """The saved plan is stale, spent, edited or for another estate."""

    code, exit_code = "PORT-E600", 6


class Parked(PortabilityError):
    """The run stopped on purpose with nothing frozen. `reason` is a `ParkReason` value."""

    code, exit_code = "PORT-E700", 7

    def __init__(
        self,
        what: str,
        *,
        reason: str,
        next: str,  # noqa: A002
        changed: str = f"The {SIDE} serves; nothing is frozen.",
    ) -> None:
        super().__init__(what, next=next, changed=changed)
        self.reason = reason


class StepFailed(PortabilityError):
    """A step failed after its retries; the run is parked and resumable."""

    code, exit_code = "PORT-E800", 8


class SelfUnwound(PortabilityError):
    """The run unwound by itself; the source serves."""

    code, exit_code = "PORT-E900", 9


class UnwindIncomplete(PortabilityError):
    """An undo failed; the inventory in the journal says what is left."""

    code, exit_code = "PORT-E910", 10


class Mismatch(PortabilityError):
    """The sides differ, a record slipped past the fence, or observed state drifted."""

    code, exit_code = "PORT-E110", 11


class StampMoved(Mismatch):
    """The directory record carries another stamp than expected; what stands there is told, None where none does."""

    code = "PORT-E112"

    def __init__(self, what: str, *, run: str | None, epoch: int | None, act: str | None, next: str) -> None:  # noqa: A002
        super().__init__(what, next=next)
        self.run = run
        self.epoch = epoch
        self.act = act


class SchemaDrift(Mismatch):
    """Items of a tenant's own table have attributes that the shared one does not know, and the estate does not map."""

    code = "PORT-E113"


class JournalBroken(Mismatch):
    """An entry was edited, deleted, reordered, or the tail was cut."""

    code = "PORT-E111"


class WaitedTooLong(PortabilityError):
    """The watcher's patience ended; the run goes on."""

    code, exit_code = "PORT-E120", 12


class Interrupted(PortabilityError):
    """A signal parked the run; `exit_code` is 128 + the signal's number."""

    code = "PORT-E130"

    def __init__(
        self,
        what: str,
        *,
        signum: int,
        next: str,  # noqa: A002
        changed: str = "The run is parked and its lease released.",
    ) -> None:
        super().__init__(what, next=next, changed=changed)
        self.exit_code = 128 + signum


class AwsError(PortabilityError):
    """An AWS call failed. `operation` is `service.Operation`, `aws_code` is the service's own error code."""

    code, exit_code = "PORT-E200", 8

    def __init__(self, what: str, *, operation: str, aws_code: str, next: str = "portability doctor") -> None:  # noqa: A002
        super().__init__(what, next=next, changed="The call was refused or had no answer.")
        self.operation = operation
        self.aws_code = aws_code


class NotFound(AwsError):
    """The named resource does not exist."""

    code = "PORT-E201"


class AlreadyExists(AwsError):
    """The resource is there already, or is in use."""

    code = "PORT-E202"


class ConditionFailed(AwsError):
    """A conditional write was refused.

    `old` holds, per write of the request, the item as it stood (DynamoDB attribute-value JSON) where the service
    returned it (`ALL_OLD`), else None. `failed` says per write whether its own condition was the one that failed.
    """

    code = "PORT-E203"

    def __init__(
        self, what: str, *, operation: str, aws_code: str, old: list[dict[str, Any] | None], failed: list[bool]
    ) -> None:
        super().__init__(what, operation=operation, aws_code=aws_code)
        self.old = old
        self.failed = failed


class TransactionConflict(AwsError):
    """Another transaction held an item; retry."""

    code = "PORT-E204"


class Throttled(AwsError):
    """Capacity or rate exceeded; retry with jitter."""

    code = "PORT-E205"


class Unavailable(AwsError):
    """5xx: the service failed, possibly after acting."""

    code = "PORT-E206"


class NoDefiniteAnswer(AwsError):
    """Time-out, reset or truncated answer: the effect may still land."""

    code = "PORT-E207"


class BadRequest(AwsError):
    """The service refused the request itself."""

    code = "PORT-E208"


class Unsupported(AwsError):
    """This engine lacks the operation (UnknownOperationException only)."""

    code = "PORT-E209"


class Trimmed(AwsError):
    """A stream position no longer exists (24 h passed, or the shard is gone): what it covered must be compared anew."""

    code = "PORT-E211"


class ReadOnlyClient(AwsError):
    """A mutating call was attempted through a read-only client and was not sent."""

    code, exit_code = "PORT-E210", 1
