"""Takes a run back: every step that began is undone, last first, and only what this run did is touched."""

from __future__ import annotations

from collections.abc import Callable

from portability import errors
from portability.engine.context import RunContext
from portability.engine.observer import Observer
from portability.engine.route import Route, Station
from portability.journal.base import Held
from portability.model.status import Fact


def unwind(
    held: Held,
    route: Route,
    context: Callable[[Station], RunContext],
    observer: Observer,
    outlast: Callable[[], None],
) -> None:
    """Undo until nothing is left. An undo that fails is recorded and ends the attempt with `UnwindIncomplete`.

    An undo may be repeated: a crash anywhere here runs the same one again. It begins once it did `outlast` what earlier
    processes have sent: an undo that looks before a late creation lands would leave it there. It ends once it did
    `outlast` what it sent itself.
    """
    outlast()
    for stop in route.touched(held.view()):
        held.append(Fact.UNDOING, {}, step=stop.id)
        try:
            stop.step.undo(context(stop))
        except (errors.LeaseLost, errors.Parked):
            raise
        except Exception as error:
            what = f"{error.code} {error.what}" if isinstance(error, errors.PortabilityError) else type(error).__name__
            held.append(Fact.UNDO_FAILED, {"error": what[:2000]}, step=stop.id)
            held.append(Fact.STUCK, {"step": stop.id})
            left = [one.id for one in route.touched(held.view())]
            msg = f"undoing {stop.id} failed ({what}); still to undo: {', '.join(left)}"
            raise errors.UnwindIncomplete(
                msg,
                next=f"portability cancel {held.run}",
                changed="The source serves; what this run created is partly there.",
            ) from error
        held.append(Fact.UNDONE, {}, step=stop.id)
        observer("step_undone", run=held.run, step=stop.id)
    outlast()
    held.append(Fact.UNWOUND, {})
    observer("unwound", run=held.run)
