"""Every fault by its name."""

from __future__ import annotations

import signal
from collections.abc import Mapping

from tests.crash import stale_writes, under_load
from tests.crash.answers import expiring, failing, failing_and_taken_back, for_a_while, losing, refusing
from tests.crash.clocks import OFF, after_a_frozen_one, beside_a_live_one
from tests.crash.crowd import EPOCH, FLAG
from tests.crash.faults import Cut, Refusal
from tests.crash.kills import AGAIN, freezing, holding, killing, killing_again, killing_twice, repeating, signalling
from tests.crash.races import racing, scrambling, wandering
from tests.crash.stage import Faulting

REFUSED = (Refusal.THROTTLED, Refusal.BROKEN, Refusal.DENIED, Refusal.LIMITED, Refusal.UNANSWERED)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

FAULTS: Mapping[str, Faulting] = {
    "kill-before": killing(Cut.BEFORE),
    "kill-after": killing(Cut.LOST, Cut.KEPT),
    "kill-twice": killing_twice,
    **{f"kill-again-{calls}": killing_again(calls) for calls in AGAIN},
    "lose": losing,
    **{f"{why}-{times}": refusing(why, times) for why in REFUSED for times in (1, 10)},
    **{f"repeat-{times}": repeating(times) for times in (1, 2)},
    "fail": failing,
    "fail-back": failing_and_taken_back,
    "hold": holding,
    "freeze": freezing,
    **{f"signal-{signum.name}": signalling(signum) for signum in SIGNALS},
    **{f"signal-{signum.name}-twice": signalling(signum, twice=True) for signum in SIGNALS},
    **{f"clock-{name}-live": beside_a_live_one(off) for name, off in OFF.items()},
    **{f"clock-{name}-frozen": after_a_frozen_one(off) for name, off in OFF.items()},
    "race": racing,
    "scramble": scrambling,
    "wander": wandering,
    "throttle": for_a_while(Refusal.THROTTLED, share=0.5, seconds=2.0),
    "outage": for_a_while(Refusal.BROKEN, share=1.0, seconds=8.0),  # longer than a lease
    "expire": expiring,
    **{f"load-{kind.name}": under_load.loading(kind) for kind in (EPOCH, FLAG)},
    "linger": under_load.lingering,
    "guarded": under_load.guarded,
    "late-flip": under_load.late_flip,
    "late-write": stale_writes.held_across,
    "slow-write": stale_writes.slow,
    **{f"cache-longer-{kind.name}": stale_writes.caching(kind) for kind in (EPOCH, FLAG)},
    "routers": stale_writes.routed,
}
