"""Operator commands around a step: argv only, JSON on stdin, 60 s, a scrubbed environment."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from portability import errors
from portability.steps import command

TIMEOUT = 60.0
"""Seconds a hook may take."""

LEFT = f"The {errors.SIDE} serves; the step is not done."
"""What is told of a run whose hook failed."""


def run_hook(argv: Sequence[str], facts: Mapping[str, Any], *, enabled: bool, timeout: float = TIMEOUT) -> None:
    """Run one hook and wait. `facts` (names, ids, counts) go to its standard input as one JSON object.

    Raises `StepFailed` when hooks are not enabled in the estate, when it cannot be started, takes too long, or exits
    with anything but 0.
    """
    if not enabled:
        msg = f"the recipe names a hook ({argv[0]}), but this estate does not enable hooks"
        fix = "portability cancel, then set `hooks: {enabled: true}`: a run keeps the estate that it began with"
        raise errors.StepFailed(msg, next=fix, changed=LEFT)
    try:
        code = command.run(argv, facts, timeout)
    except FileNotFoundError:
        msg = f"hook {argv[0]} was not found"
        raise errors.StepFailed(msg, next=errors.AGAIN, changed=LEFT) from None
    except PermissionError:
        msg = f"hook {argv[0]} is not executable"
        raise errors.StepFailed(msg, next=errors.AGAIN, changed=LEFT) from None
    except subprocess.TimeoutExpired:
        msg = f"hook {argv[0]} took more than {timeout:g} s and was ended"
        raise errors.StepFailed(msg, next=errors.AGAIN, changed=LEFT) from None
    if code != 0:
        msg = f"hook {argv[0]} exited {code}"
        raise errors.StepFailed(msg, next=errors.AGAIN, changed=LEFT)
