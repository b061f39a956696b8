"""Every fault by its name."""

from __future__ import annotations

import signal
from collections.abc import Mapping

from tests.crash.answers import expiring, failing, losing, refusing, throttling
from tests.crash.faults import Cut, Refusal
from tests.crash.kills import freezing, holding, killing, killing_twice, repeating, signalling
from tests.crash.races import racing, wandering
from tests.crash.stage import Faulting

REFUSED = (Refusal.THROTTLED, Refusal.BROKEN, Refusal.DENIED, Refusal.LIMITED)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

FAULTS: Mapping[str, Faulting] = {
    **{f"kill-{cut}": killing(cut) for cut in (Cut.BEFORE, Cut.LOST, Cut.KEPT)},
    "kill-twice": killing_twice,
    "lose": losing,
    **{f"{why}-{times}": refusing(why, times) for why in REFUSED for times in (1, 10)},
    **{f"repeat-{times}": repeating(times) for times in (1, 2)},
    "fail": failing,
    "hold": holding,
    "freeze": freezing,
    **{f"signal-{signum.name}": signalling(signum) for signum in SIGNALS},
    **{f"signal-{signum.name}-twice": signalling(signum, twice=True) for signum in SIGNALS},
    "race": racing,
    "wander": wandering,
    "throttle": throttling,
    "expire": expiring,
}
