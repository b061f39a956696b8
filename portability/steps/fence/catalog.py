"""Every kind of fence by the name an estate gives it, and several used as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from portability.model.estate import Estate
from portability.steps.base import Context
from portability.steps.directory import Stamp
from portability.steps.fence import hook_probe
from portability.steps.fence.base import Answer, Fence, combined
from portability.steps.fence.directory_flag import DirectoryFlag
from portability.steps.fence.epoch import Epoch

KINDS: dict[str, Callable[[Estate, hook_probe.Run], Fence]] = {
    "epoch": Epoch.of,
    "directory_flag": DirectoryFlag.of,
}


@dataclass(frozen=True)
class Several:
    """Kinds used together, for an estate whose applications differ: one stamp, the slowest times, every probe."""

    fences: tuple[Fence, ...]

    @property
    def kind(self) -> str:
        """See `Fence`."""
        return "+".join(fence.kind for fence in self.fences)

    @property
    def effective_within(self) -> float:
        """See `Fence`."""
        return max(fence.effective_within for fence in self.fences)

    @property
    def lifts_within(self) -> float:
        """See `Fence`."""
        return max(fence.lifts_within for fence in self.fences)

    @property
    def closes_in_flight(self) -> bool:
        """See `Fence`."""
        return all(fence.closes_in_flight for fence in self.fences)

    def probe(self, ctx: Context, before: Stamp) -> Answer:
        """See `Fence`."""
        return combined([fence.probe(ctx, before) for fence in self.fences])


def build(estate: Estate, run_probe: hook_probe.Run = hook_probe.run_argv) -> Fence:
    """The fence the estate declares; a kind named twice counts once."""
    fences = tuple(KINDS[kind](estate, run_probe) for kind in dict.fromkeys(estate.fence.use))
    return fences[0] if len(fences) == 1 else Several(fences)
