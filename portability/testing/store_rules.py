"""The contract of a store, rule by rule: copy, sync, comparison, archive, erasure. Channels are in `channel_rules`."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

from portability import errors
from portability.model.change import Change
from portability.stores.base import Compared, Flow, Key, Move
from portability.testing import channel_rules
from portability.testing.breaking import ContractBroken, hold
from portability.testing.store_run import Fate, Process, killed, scene_of
from portability.testing.store_scene import StoreCase


def looking_sends_no_write(case: StoreCase) -> None:
    """Facts, findings, estimates, units, samples, comparisons without repair, and an archive change nothing."""
    with scene_of(case) as run:
        run.fill()
        run.fill([1, 3], place="target")
        before = run.scene.held("source"), run.scene.held("target")
        process = Process()
        move = run.move(process)
        move.facts()
        move.findings()
        move.drift()
        move.drift(check=_allow)
        move.provisioning()
        hold(move.estimate(exact=True).items == run.scene.items, "an exact estimate counts other than the items")
        move.estimate(exact=False)
        for flow in Flow:
            for unit in move.units(flow):
                move.compare(flow, unit, repair=False)
            move.compare_some(flow, move.sample(flow, 5), repair=False)
            move.strays(flow)
            move.capacity(flow, before=None)
            list(move.archive(flow))
        move.canary("r-1")
        hold(process.requests == 0, f"{process.requests} writes were sent by looking")
        hold(before == (run.scene.held("source"), run.scene.held("target")), "items have changed by looking")


def a_copy_makes_the_sides_equal(case: StoreCase) -> None:
    """Every item, both ways, and the origin stays as it is."""
    for flow in Flow:
        with scene_of(case) as run:
            origin = "source" if flow is Flow.FORWARD else "target"
            run.fill(place="source" if flow is Flow.FORWARD else "target")
            before = run.scene.held(origin)  # type: ignore[arg-type]
            items = run.copy(run.move(), flow)
            hold(run.scene.held(origin) == before, "a copy has changed its origin")  # type: ignore[arg-type]
            run.equal(f"after a copy {flow.value}")
            hold(items == len(before), f"{len(before)} items are there, and {items} are told as copied")


def units_partition_the_keys(case: StoreCase) -> None:
    """Every item is in exactly one unit, and a new process names the same units."""
    with scene_of(case) as run:
        run.fill()
        move = run.move()
        units = move.units(Flow.FORWARD)
        hold(len(units) == len(set(units)), f"a unit is named twice: {units}")
        hold(units == run.move().units(Flow.FORWARD), "a new process has other units, or another order of them")
        for unit in units:
            before = run.scene.held("target")
            told = sum(page.items for page in move.copy(Flow.FORWARD, unit, None))
            after = run.scene.held("target")
            fresh = len(after) - len(before)
            hold(fresh == told, f"unit {unit} has {told} items, of which {told - fresh} are in another unit too")
        run.equal("after every unit was copied")


def a_cursor_comes_after_the_acknowledgement(case: StoreCase) -> None:
    """When a page is yielded, each of its writes was answered."""
    with scene_of(case) as run:
        run.fill()
        process, yielded = Process(), 0
        move = run.move(process)
        for unit in move.units(Flow.FORWARD):
            for page in move.copy(Flow.FORWARD, unit, None):
                yielded += page.items
                hold(process.unanswered == 0, f"a cursor of {unit} came while a write of it was under way")
                there = len(run.scene.held("target"))
                hold(there >= yielded, f"{yielded} items are told as copied, and {there} are there")


def a_copy_killed_at_any_request_goes_on_from_its_cursor(case: StoreCase) -> None:
    """Before it is sent, and after it took effect: the rest is copied by the next process, and nothing is missing."""
    fates: tuple[Fate, ...] = ("die before", "die after")
    for fate in fates:
        for number in range(case().most_kills):
            with scene_of(case) as run:
                run.fill()
                process = Process(number, fate)
                move = run.move(process)
                if not killed(process, functools.partial(run.copy, move)):
                    break
                run.copy(run.move())
                run.equal(f"killed at request {number} ({fate}) and gone on")


def sync_makes_these_keys_equal(case: StoreCase) -> None:
    """Changed, missing, deleted and never known keys, however often they are named; and no other."""
    with scene_of(case) as run:
        scene, move = run.scene, run.move()
        run.fill([0, 1, 2])
        run.copy(move)
        keys = [scene.write("source", 0, "changed"), scene.write("source", 1, None), scene.write("source", 5, "new")]
        scene.write("source", 6, "not asked for")
        never = scene.write("source", 7, "x")
        scene.write("source", 7, None)
        for asked in ([*keys, never, keys[0]], keys):
            synced = move.sync(Flow.FORWARD, asked)
            hold(not synced.unwritable, f"told as unwritable: {len(synced.unwritable)} keys")
            wanted = {0: "changed", 2: "first 2", 5: "new"}
            hold(scene.held("target") == wanted, f"after a sync the target holds {scene.held('target')}, not {wanted}")


def a_neighbours_key_is_refused(case: StoreCase) -> None:
    """A key that is not the tenant's is neither written nor deleted, whoever names it."""
    for flow in Flow:
        with scene_of(case) as run:
            process = Process()
            key = run.scene.foreign_key()
            try:
                run.move(process).sync(flow, [key])
            except (ValueError, errors.PortabilityError):
                hold(process.requests == 0, "a write was sent for a key that was refused")
                continue
            raise ContractBroken("a neighbour's key was taken for a sync")


def comparing_finds_every_difference(case: StoreCase) -> None:
    """Missing, extra and differing, each alone and by its kind; none where there is none; and a repair leaves none."""
    with scene_of(case) as run:
        run.fill()
        move = run.move()
        run.copy(move)
        hold(_found(move) == [], f"equal sides, and {len(_found(move))} differences are told")
        for why, source, target in (("missing", "x", None), ("extra", None, "y"), ("differs", "x", "y")):
            for number in range(0, run.scene.items, 5):
                key = run.scene.write("source", number, source)
                run.scene.write("target", number, target)
                found = _found(run.move())
                wanted = [(key, why)]
                hold(found == wanted, f"item {number} is {why}, and a comparison tells {found}")
                one = move.compare_keys(Flow.FORWARD, [key])
                hold([each.why for each in one.differences] == [why], f"item {number} is {why}: not told by its key")
                _found(move, repair=True)
                run.equal(f"after a repair of what was {why}")
                hold(not move.compare_keys(Flow.FORWARD, [key]).differences, "repaired, and still told")


def a_sample_is_of_both_sides(case: StoreCase) -> None:
    """Where `sample` may name every key it does, those of one side too; by them what differs is told, and mended."""
    with scene_of(case) as run:
        run.fill()
        move = run.move()
        run.copy(move)
        wrong = [(run.scene.write("source", 901, "x"), "missing"), (run.scene.write("target", 902, "y"), "extra")]
        keys = move.sample(Flow.FORWARD, 1000)
        hold(len(keys) == run.scene.items + len(wrong), f"of {run.scene.items + len(wrong)} keys {len(keys)} are named")
        found = [(each.key, each.why) for each in move.compare_some(Flow.FORWARD, keys, repair=False).differences]
        hold(sorted(found, key=repr) == sorted(wrong, key=repr), f"what differs is {wrong}, and {found} is told")
        told = move.compare_some(Flow.FORWARD, keys, repair=True)
        hold(not told.differences, "repaired, and still told")
        hold(told.repaired == len(wrong), f"{len(wrong)} keys differed, and {told.repaired} are told as repaired")
        run.equal("after a repair by keys")
        hold(len(move.sample(Flow.FORWARD, 5)) <= run.scene.items, "a sample names keys more than once")


def an_archive_has_every_item_once(case: StoreCase) -> None:
    """One line of JSON an item, the same lines each time."""
    with scene_of(case) as run:
        run.fill()
        lines = list(run.move().archive(Flow.FORWARD))
        hold(len(lines) == len(set(lines)) == run.scene.items, f"{len(lines)} lines for {run.scene.items} items")
        hold(all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines), "a line does not end as one")
        hold(all(isinstance(json.loads(line), dict) for line in lines), "a line is no JSON object")
        hold(sorted(lines) == sorted(run.move().archive(Flow.FORWARD)), "read again, the archive is another")


def an_erasure_takes_the_tenants_items_only(case: StoreCase) -> None:
    """At the origin, under a guard that may end it, killed anywhere and repeated."""
    with scene_of(case) as run:
        run.fill()
        run.copy(run.move())
        before = run.scene.held("target")
        refused = Process()
        try:
            run.move(refused).erase(Flow.FORWARD, guard=_refuse)
        except errors.Mismatch:
            hold(refused.requests == 0, "items were deleted under a guard that refused")
        else:
            raise ContractBroken("an erasure went on under a guard that refused")
        for number in range(run.scene.most_kills):
            process = Process(number, "die after")
            move = run.move(process)
            if not killed(process, functools.partial(move.erase, Flow.FORWARD, guard=_allow)):
                break
        run.move().erase(Flow.FORWARD, guard=_allow)
        hold(run.scene.held("source") == {}, f"{len(run.scene.held('source'))} items are left at the origin")
        hold(run.scene.held("target") == before, "an erasure has changed the other side")
        hold(run.move().erase(Flow.FORWARD, guard=_allow) == 0, "repeated, it tells deletions")


def an_unwritable_item_is_told_and_the_rest_is_written(case: StoreCase) -> None:
    """It is named with a reason, stops no other key, and a comparison finds it missing; where there is such an item."""
    with scene_of(case) as run:
        run.fill([1, 2])
        if (key := run.scene.unwritable()) is None:
            return
        keys = [run.scene.write("source", 1, "again"), key, run.scene.write("source", 2, "again")]
        synced = run.move().sync(Flow.FORWARD, keys)
        hold([told for told, _ in synced.unwritable] == [key], f"told as unwritable: {synced.unwritable}")
        held = run.scene.held("target")
        hold(held.get(1) == held.get(2) == "again", "a key that can be written was not, beside one that cannot")
        hold((key, "missing") in _found(run.move()), "what could not be written is not told as missing")


def provisioning_is_what_it_says(case: StoreCase) -> None:
    """Each effect is intended first, as previewed; repeated it does nothing more; only what it made is taken away."""
    with scene_of(case) as run:
        if not run.scene.without_target():
            return
        move, said = run.move(), [change.identity for change in run.move().provisioning() if change.acts]
        hold(said, "the target is missing, and nothing is said to be made")
        intents: dict[tuple[str, str, str], bool] = {}

        def intend(change: Change, existed: bool) -> bool:  # noqa: FBT001 - a fact, as in `Move.provision`
            hold(existed or change.identity in intents or change.identity in said, f"not previewed: {change.identity}")
            return intents.setdefault(change.identity, existed)

        for _ in range(2):
            move.provision(run="r-1", intend=intend)
        hold(list(intents) == said, f"previewed {said}, intended {list(intents)}")
        hold(not [one for one in run.move().provisioning() if one.acts], "provisioned, and still something to make")
        run.fill()
        run.copy(run.move())
        run.equal("copied into a target that was made")
        run.move().unprovision(run="r-1", created=False)
        run.equal("unprovisioned where this run made nothing")
        for _ in range(2):
            run.move().unprovision(run="r-1", created=True)
        hold([one for one in run.move().provisioning() if one.acts], "unprovisioned, and still there")


STORE_RULES: Mapping[str, Callable[[StoreCase], None]] = MappingProxyType(
    {
        rule.__name__: rule
        for rule in (
            looking_sends_no_write,
            a_copy_makes_the_sides_equal,
            units_partition_the_keys,
            a_cursor_comes_after_the_acknowledgement,
            a_copy_killed_at_any_request_goes_on_from_its_cursor,
            sync_makes_these_keys_equal,
            a_neighbours_key_is_refused,
            comparing_finds_every_difference,
            a_sample_is_of_both_sides,
            an_archive_has_every_item_once,
            an_erasure_takes_the_tenants_items_only,
            an_unwritable_item_is_told_and_the_rest_is_written,
            provisioning_is_what_it_says,
            *channel_rules.RULES,
        )
    }
)
"""Every rule of a store by its name."""


def _found(move: Move, *, repair: bool = False) -> list[tuple[Key, str]]:
    """Every difference that a full comparison tells, as (key, why)."""
    compared: list[Compared] = [move.compare(Flow.FORWARD, unit, repair=repair) for unit in move.units(Flow.FORWARD)]
    for one in compared:
        hold(one.equal != bool(one.differences), f"unit {one.unit}: equal is {one.equal}, beside its differences")
    told = [difference for one in compared for difference in one.differences]
    told += [stray for stray in move.strays(Flow.FORWARD) if stray.key not in [one.key for one in told]]
    return [(difference.key, difference.why) for difference in told]


def _allow() -> None:
    """The deletion may go on."""


def _refuse() -> None:
    raise errors.Mismatch("not now", next=errors.AGAIN)
