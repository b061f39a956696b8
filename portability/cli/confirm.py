"""Asks a person before something is begun. Nothing is held, and nothing was changed, while it waits."""

from __future__ import annotations

import sys

from portability import errors
from portability.cli.call import Call


def confirm(call: Call, question: str, *, word: str, flag: str) -> None:
    """Return if the answer is `word`; raise `UsageMistake` where nobody can be asked, or the answer is another.

    `flag` is what says yes on the command line.
    """
    if call.asked.no_input or call.asked.machine or not sys.stdin.isatty():
        raise errors.UsageMistake(f"{question} There is nobody to ask.", next=f"the same command with {flag}")
    call.screen.ask(f"{question} Type {word} to go on: ")
    answer = sys.stdin.readline().strip()
    if answer != word:
        raise errors.UsageMistake(f"not confirmed: {word} was not typed", next=errors.AGAIN)
