"""How a suite speaks, and how it kills."""

from __future__ import annotations


class ContractBroken(AssertionError):
    """A rule of the contract does not hold; the text says what was seen."""


class Killed(BaseException):
    """The process died here. No `except Exception` stops it, as none stops a SIGKILL."""


def hold(holds: object, what: str) -> None:
    """Raise `ContractBroken` unless it holds."""
    if not holds:
        raise ContractBroken(what)
