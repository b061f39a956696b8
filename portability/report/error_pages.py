"""What each error means and what to do, a paragraph each: `portability explain CODE` and the errors' page."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from portability import errors


@dataclass(frozen=True)
class Page:
    """One error's page. `family` is the class's docstring, `text` the paragraph, `exits` every code it ends with."""

    code: str
    name: str
    family: str
    exit_code: int
    exits: tuple[int, ...]
    text: str


TEXT: dict[str, str] = {
    "PORT-E001": (
        "A bug of this tool. Nothing was decided by it: what was done is in the journal, and what was not done is "
        "done by the next `portability resume`. The message names a file of file names, line numbers and exception "
        "types, without any of the tenant's data; please report it with the journal's `run logs`."
    ),
    "PORT-E064": (
        "The command line could not be understood, or a confirmation was needed and nobody could be asked: off a "
        "terminal, and under `--no-input` or `-o json`, `migrate` needs `--yes`, `--confirm TENANT` or a saved plan, "
        "`complete` needs `--confirm TENANT`, and `verify --repair` over late writes `--overrule N`. It is also "
        "raised for a verb that makes no sense for the run as it stands, and then names the one that does."
    ),
    "PORT-E300": (
        "The command was refused before any write. The message says what stands in the way; the same command works "
        "once that is mended."
    ),
    "PORT-E301": (
        "A YAML file or a saved plan is malformed. The message begins with file and line, names the field by its "
        "path, says what is expected there, and what was probably meant. `portability validate` lists every problem "
        "of every file at once."
    ),
    "PORT-E302": (
        "A tenant, tier, placement, store or run of that name does not exist. Tenants are looked up in the estate's "
        "directory table, tiers and placements in the estate file, runs in the journal: `portability run list`."
    ),
    "PORT-E303": (
        "No recipe moves this pair of models. Recipes are the files of kind MigrationPlan beside the estate; pairs "
        "that have none of their own use the tool's. Write one, then `portability validate`."
    ),
    "PORT-E304": (
        "The credentials belong to an account, or the region is one, that the estate file does not allow. The account"
        " always comes from STS. Switch credentials with `--profile`, or add the account or region to `accounts`."
    ),
    "PORT-E305": (
        "One or more findings block the move: items one suffix beyond either end of the declared range, a Lambda "
        "function or Kinesis destination that reads a table's changes and is not declared, a target that exists and "
        "is not this tool's, a fence that cannot keep its promise, and the like. Each line has its fix. `portability "
        "doctor TENANT` looks again without planning."
    ),
    "PORT-E306": (
        "The journal table does not exist in this account and region. `portability init` makes it; it is also missing"
        " when the command looks at the wrong account, region or endpoint."
    ),
    "PORT-E307": (
        "The run was written by a newer version of this tool. It is not touched: go on with that version. Versions "
        "read the current and the previous entry schema."
    ),
    "PORT-E308": (
        "A service did not answer: no connection could be made, so nothing was sent. Check endpoint settings "
        "(AWS_ENDPOINT_URL and kin), region, network and certificates; `portability doctor` looks at each."
    ),
    "PORT-E309": (
        "A local file could not be written whole: the disk is full, the directory is missing or not writable, or a "
        "link leads out of the project. An old file of that name is as it was."
    ),
    "PORT-E400": (
        "Credentials are missing, expired, or lack a permission; the message names the permission. Nothing is "
        "retried. A run that met this is parked: renew the credentials and `portability resume`. `portability init` "
        "writes the least-privilege policies that each phase needs."
    ),
    "PORT-E105": (
        "Another live process holds the tenant's run, or the run has another target. Its holder and the age of its "
        "last beat are named. Wait with `--lock-timeout`, look with `portability lock show`, or ask the holder to "
        "stop by `portability run pause`. A holder that is gone is taken over: at once where its process was on this "
        "host; elsewhere once a whole lease passed without a beat, which takes `--lock-timeout 2m` to see."
    ),
    "PORT-E106": (
        "This process no longer holds the run: another took over, or the lease could not be renewed for two thirds of"
        " its length. It wrote nothing more. The run is wherever the journal says: `portability status`."
    ),
    "PORT-E600": (
        "The saved plan is stale (the fields that differ are named), was used, was edited, or was made for another "
        "account. Plan again, read it, and hand the new file in."
    ),
    "PORT-E700": (
        "The run stopped on purpose with nothing frozen: a gate does not hold, `--until` was reached, or the cutover "
        "was postponed. The message says which. `portability resume` goes on, `portability "
        "run cutover` where the cutover was postponed."
    ),
    "PORT-E800": (
        "A step failed after its retries. The run is parked with its inventory in the journal, the side that served "
        "still serves, and nothing is frozen. Mend what the message names, then `portability resume`; or `portability "
        "cancel` before the flip, `portability reverse` after it. Once `complete` was asked for there is no way back: "
        "mend it, then `portability complete` again."
    ),
    "PORT-E900": "Reserved: no run takes itself back in this version. `portability cancel` does, when it is asked to.",
    "PORT-E910": (
        "An undo failed. The source serves; the message lists what is still to be undone, the journal has the "
        "inventory. Mend what stands in the way and repeat `portability cancel`: an undo may be repeated."
    ),
    "PORT-E110": (
        "The two sides differ, a write slipped past the fence, or something changed that should not have. Counts and "
        "key hashes are named, never values. Nothing was discarded. `portability verify RUN` looks again; `--repair` "
        "makes the side that does not serve equal to the one that does."
    ),
    "PORT-E111": (
        "The journal does not verify: an entry was edited, deleted, reordered, or the tail was cut. Restore the table "
        "from its point-in-time recovery, where you turned that on, and find out who can write to it. DynamoDB "
        "restores into a new table: name it under `journal.table`, and `portability init` writes the policies for it. "
        "No verb acts on a run whose chain is broken."
    ),
    "PORT-E112": (
        "The directory record carries another stamp than this run wrote; the message has both. Somebody restored the "
        "record, or another run of this tool works with another journal. Nothing was flipped. Find out which, let the "
        "other run end or give the record the run's stamp again, and `portability resume`."
    ),
    "PORT-E113": (
        "A tenant that leaves tables of its own has items with attributes that the shared table does not know, with a "
        "type it does not know, or that the estate's mapping has no image for. The message names them, counts them and"
        " gives the line for the estate: `rename`, `cast`, `keep` or `archive` under the store's `attributes`. A plan "
        "refuses what its sample shows (exit 3); this is the run's own reading of every item, and nothing was copied. "
        "`portability cancel`, correct the estate, and migrate anew: a run keeps the estate that it began with."
    ),
    "PORT-E120": "The watcher's patience ended (`--timeout`). The run goes on in its own process.",
    "PORT-E130": (
        "A signal parked the run at a safe point and its lease was released; `portability resume` goes on. Before a "
        "run was begun, nothing was changed. The exit code is 128 plus the signal's number."
    ),
    "PORT-E200": (
        "An AWS call failed in a way that has no page of its own. The message names the operation and the service's "
        "error code; item values and addresses are taken out of the service's text."
    ),
    "PORT-E201": "A resource that was looked for by name does not exist (any more).",
    "PORT-E202": "A resource is there already, or is in use by somebody else.",
    "PORT-E203": "A conditional write was refused: the item is not as the condition says.",
    "PORT-E204": "Another transaction held an item. It is retried; it is never read as a lost lease.",
    "PORT-E205": (
        "The service throttled the call for longer than the retries last. A run that met this is parked and "
        "resumable. Raise `retries` in the estate, or the capacity, or go on at a quieter hour."
    ),
    "PORT-E206": "The service answered with a 5xx for longer than the retries last.",
    "PORT-E207": (
        "A call had no definite answer, so its effect may still land. Writes of items in this state are recorded as "
        "doubtful and synced again after their horizon; nothing flips before."
    ),
    "PORT-E208": "The service refused the request for what it is. Usually a limit, or a bug of this tool.",
    "PORT-E209": "This engine does not have the operation. Emulators lack some; AWS has them all.",
    "PORT-E211": (
        "A position in a change stream is older than the service keeps records. Nothing is skipped: the units behind "
        "it are compared with the source and synced again."
    ),
    "PORT-E210": (
        "A preview tried to change something and was stopped before the request was sent: a bug of this tool, please "
        "report it."
    ),
}  # fmt: skip
"""By code. A class without a page of its own fails the build's tests."""


def every_page() -> list[Page]:
    """Every error's page, by code."""
    found = {
        kind.code: Page(
            code=kind.code,
            name=kind.__name__,
            family=inspect.getdoc(kind) or "",
            exit_code=exits(kind)[0],
            exits=exits(kind),
            text=TEXT.get(kind.code, ""),
        )
        for kind in kinds()
    }
    return [found[code] for code in sorted(found)]


SIGNALS = (129, 130, 143)
"""SIGHUP, SIGINT, SIGTERM: 128 plus the signal's number."""


def exits(kind: type[errors.PortabilityError]) -> tuple[int, ...]:
    """The exit codes that an error of this class ends with."""
    return SIGNALS if kind is errors.Interrupted else (kind.exit_code,)


def kinds() -> list[type[errors.PortabilityError]]:
    """Every error class that has a code of its own, the root last where two share one."""
    named = [
        kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.PortabilityError)
    ]
    return [kind for kind in named if "code" in vars(kind)]
