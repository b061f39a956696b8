"""What may befall a process, by the moment at which it does."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from portability import errors
from tests.steps_data.run_world import Killed

if TYPE_CHECKING:
    from tests.machine.town import Town
    from tests.machine.turn import Turn
    from tests.machine.wires import Effect

MOMENTS = 170
"""About as many as a whole run has."""

ANY, DIRECTORY = "any", "directory"
"""Which moments are counted: each, or calls of the directory alone, of which there are few."""

HERE, THERE = "here", "there"
HOSTS = (HERE, THERE)
FAR = 15 * 60.0
"""Seconds for which AWS accepts a signature."""


@dataclass(frozen=True)
class Fine:
    """Nothing happens."""

    at: int = -1


@dataclass(frozen=True)
class Kill:
    """The process dies `when` a call is to be sent, has taken effect, or is on its way and lands `later` moments on.

    Its guardian acts at once, is gone too, or acts in the midst of the next process's turn.
    """

    at: int
    when: str = "before"
    guardian: str = "acts"
    later: int = 3
    on: str = ANY


@dataclass(frozen=True)
class Refuse:
    """Calls are refused `times` over, without effect."""

    at: int
    error: str = "Throttled"
    times: int = 1


@dataclass(frozen=True)
class Unheard:
    """A call is not answered: it took effect, did not, or does so `later` moments on."""

    at: int
    landed: str = "now"
    later: int = 3
    on: str = ANY


@dataclass(frozen=True)
class Park:
    """Somebody asks the run to stop: `run pause`, or a signal."""

    at: int
    signal: int | None = None


@dataclass(frozen=True)
class Slip:
    """The application writes to the side just left, past its fence."""

    at: int
    key: int = 0


@dataclass(frozen=True)
class Lag:
    """The channels read nothing for so many moments."""

    at: int
    moments: int = 30


@dataclass(frozen=True)
class Replaced:
    """The change stream of the side that serves is replaced, and `missed` writes are in none."""

    at: int
    missed: int = 1


@dataclass(frozen=True)
class Still:
    """The process stands still for so many seconds, between its look at the lease and its call."""

    at: int
    seconds: int = 4


@dataclass(frozen=True)
class Rival:
    """Another operator gives a command while this process lives: it is refused, without any effect."""

    at: int
    verb: str = "resume"


@dataclass(frozen=True)
class Frozen:
    """The process freezes between look and call; its lease is taken, or broken; it thaws, and sends its call."""

    at: int
    verb: str = "resume"
    breaks: bool = False
    then: Kill | Fine = Fine()
    on: str = ANY


@dataclass(frozen=True)
class Broken:
    """An operator breaks the lease of a process that lives."""

    at: int


@dataclass(frozen=True)
class Unguarded:
    """The guardian is killed, the process lives."""

    at: int


Trouble = Fine | Kill | Refuse | Unheard | Park | Slip | Lag | Replaced | Still | Rival | Frozen | Broken | Unguarded

ERRORS: dict[str, type[errors.AwsError]] = {
    "Throttled": errors.Throttled,
    "Unavailable": errors.Unavailable,
    "TransactionConflict": errors.TransactionConflict,
    "BadRequest": errors.BadRequest,
}


def strike(turn: Turn, label: str, effect: Effect | None, *, late: bool) -> Any:  # noqa: C901, PLR0912 - one case each
    """Let the turn's trouble strike at this call, or this sleep (`effect` None); the call's answer, if it has one."""
    town, trouble = turn.town, turn.trouble
    run = effect or _sleep
    match trouble:
        case Kill():
            if trouble.when == "late":
                town.hold(lambda: _by_the_dead(town, run), trouble.later)
            elif trouble.when == "after":
                with suppress(errors.PortabilityError):
                    run()
            town.hindered = True
            turn.dead = True
            raise Killed(label)
        case Refuse():
            town.hindered = True
            raise refusal(trouble.error, label)
        case Unheard():
            town.hindered = True
            if trouble.landed == "late" and late:
                town.hold(run, trouble.later)
            elif trouble.landed != "never":
                with suppress(errors.PortabilityError):
                    run()
            raise errors.NoDefiniteAnswer("no answer", operation=label, aws_code="ReadTimeout")
        case Park():
            turn.stop.request(trouble.signal)
        case Slip():
            town.slip(f"order-{trouble.key}")
        case Lag():
            turn.lagging = trouble.moments
        case Replaced():
            town.replace_stream(trouble.missed)
        case Still():
            town.hindered = True
            turn.stand_still(trouble.seconds)
        case Rival():
            turn.rival(trouble.verb)
        case Frozen():
            town.hindered = True
            return turn.freeze(trouble, run)
        case Broken():
            turn.broken_by_operator()
        case Unguarded():
            for guard in town.guards:
                guard.gone = True
    return run()


def refusal(error: str, label: str) -> errors.PortabilityError:
    """The error by its name."""
    if error == "Unauthorised":
        return errors.Unauthorised("the credentials have expired", next=errors.AGAIN)
    if error == "EndpointDown":
        return errors.EndpointDown("nobody answers", next=errors.AGAIN)
    return ERRORS[error](error, operation=label, aws_code=error)


def _by_the_dead(town: Town, run: Effect) -> None:
    """A call that lands after its process died: a fence among them waits for whoever comes next."""
    run()
    town.hindered = True


def _sleep() -> None:
    """Nothing is sent while somebody sleeps."""


# ------------------------------------------------------------------------------------------------------------ drawing

moments = st.one_of(st.integers(0, MOMENTS), st.integers(0, 40))
few = st.sampled_from((0, 1, 2, 4, 12, 60, 400))

places = st.sampled_from((ANY, DIRECTORY))
kills = st.builds(
    Kill,
    on=places,
    at=moments,
    when=st.sampled_from(("before", "after", "late")),
    guardian=st.sampled_from(("acts", "gone", "late")),
    later=few,
)


def troubles(verbs: tuple[str, ...]) -> st.SearchStrategy[Trouble]:
    """Any trouble; `verbs` are what a rival may say."""
    said = st.sampled_from(verbs)
    refused = ("Throttled", "Unavailable", "TransactionConflict", "BadRequest", "Unauthorised", "EndpointDown")
    return st.one_of(
        st.just(Fine()),
        kills,
        st.builds(Refuse, at=moments, error=st.sampled_from(refused), times=st.sampled_from((1, 3, 40))),
        st.builds(Unheard, on=places, at=moments, landed=st.sampled_from(("now", "never", "late")), later=few),
        st.builds(Park, at=moments, signal=st.sampled_from((None, 15))),
        st.builds(Slip, at=moments, key=st.integers(0, 7)),
        st.builds(Lag, at=moments, moments=st.sampled_from((10, 60, 400))),
        st.builds(Replaced, at=moments, missed=st.integers(0, 2)),
        st.builds(Still, at=moments, seconds=st.sampled_from((1, 6, 50, 7200))),
        st.builds(Rival, at=moments, verb=said),
        st.builds(
            Frozen, on=places, at=moments, verb=said, breaks=st.booleans(), then=st.one_of(st.just(Fine()), kills)
        ),
        st.builds(Broken, at=moments),
        st.builds(Unguarded, at=moments),
    )
