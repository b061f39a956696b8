"""The outside package's step and store, each broken in one way, with the rule that has to find it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from portability import errors
from portability.model.run import Cursor
from portability.stores.base import ChannelState, Compared, Copied, Flow, Key, Synced

# ----------------------------------------------------------------------------------------------------------------- step


class Other:
    """A step with some of its verbs replaced; each is given the step that it replaces."""

    def __init__(self, made: Any, **verbs: Callable[..., Any]) -> None:
        self.made = made
        for name, verb in verbs.items():
            setattr(self, name, lambda ctx, verb=verb: verb(made, ctx))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.made, name)


def previews_by_doing(made: Any) -> Any:
    def preview(step: Any, ctx: Any) -> Any:
        step._flags.put(ctx.plan.tenant, "own")
        return []

    return Other(made, preview=preview)


def says_nothing_of_what_it_does(made: Any) -> Any:
    def apply(step: Any, ctx: Any) -> Any:
        step._flags.put(ctx.plan.tenant, "own")
        return {}

    return Other(made, apply=apply)


def acts_before_it_intends(made: Any) -> Any:
    def apply(step: Any, ctx: Any) -> Any:
        step._flags.put(ctx.plan.tenant, "own")
        return step.apply(ctx)

    return Other(made, apply=apply)


def does_more_each_time(made: Any) -> Any:
    def apply(step: Any, ctx: Any) -> Any:
        ctx.intend(step._change(ctx.plan.tenant), existed=True)
        step._flags.put(ctx.plan.tenant, f"{step._now(ctx)}+")
        return {}

    return Other(made, apply=apply)


def gives_up_when_it_is_there(made: Any) -> Any:
    def apply(step: Any, ctx: Any) -> Any:
        if step._now(ctx) == "own":
            raise errors.Mismatch("the flag is there already", next="portability status")
        return step.apply(ctx)

    return Other(made, apply=apply)


def forgets_to_undo(made: Any) -> Any:
    return Other(made, undo=lambda _step, _ctx: None)


def undoes_only_what_is_done(made: Any) -> Any:
    def undo(step: Any, ctx: Any) -> None:
        if ctx.view.step(ctx.step).output:
            step.undo(ctx)

    return Other(made, undo=undo)


def undoes_in_two_halves(made: Any) -> Any:
    def undo(step: Any, ctx: Any) -> None:
        if step._now(ctx) == "own":
            step._flags.put(ctx.plan.tenant, None)
            step._flags.put(ctx.plan.tenant, "shared")

    return Other(made, undo=undo)


def swallows_a_lost_lease(made: Any) -> Any:
    def apply(step: Any, ctx: Any) -> Any:
        try:
            return step.apply(ctx)
        except Exception:  # noqa: BLE001 - what must not be
            return {"flag": "own"}

    return Other(made, apply=apply)


def journals_a_secret(made: Any) -> Any:
    def apply(step: Any, ctx: Any) -> Any:
        ctx.note("token", value="a-secret-of-the-flag-service")
        return step.apply(ctx)

    return Other(made, apply=apply)


def can_be_changed(made: Any) -> Any:
    return Other(made)


BROKEN_STEPS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("it_is_a_step", can_be_changed),
    ("a_preview_changes_nothing", previews_by_doing),
    ("the_plan_is_what_the_run_does", says_nothing_of_what_it_does),
    ("the_plan_is_what_the_run_does", acts_before_it_intends),
    ("a_repeat_changes_nothing", does_more_each_time),
    ("killed_anywhere_it_resumes_to_the_same_world", does_more_each_time),
    ("killed_anywhere_it_resumes_to_the_same_world", gives_up_when_it_is_there),
    ("undone_it_leaves_the_world_as_it_was", forgets_to_undo),
    ("killed_anywhere_it_can_be_undone", acts_before_it_intends),
    ("killed_anywhere_it_can_be_undone", undoes_only_what_is_done),
    ("an_undo_killed_anywhere_is_finished_by_the_next", undoes_in_two_halves),
    ("a_lost_lease_ends_it", swallows_a_lost_lease),
    ("nothing_private_is_told", journals_a_secret),
)


# ---------------------------------------------------------------------------------------------------------------- store


def looks_by_repairing(move: Any) -> Any:
    compare = move.compare
    move.compare = lambda flow, unit, *, repair: compare(flow, unit, repair=True)
    return move


def leaves_a_page_out(move: Any) -> Any:
    copy = move.copy

    def short(flow: Flow, unit: str, cursor: Cursor | None, **more: Any) -> Iterator[Copied]:
        pages = copy(flow, unit, cursor, **more)
        yield next(pages)
        yield next(pages)

    move.copy = short
    return move


def copies_an_item_in_two_units(move: Any) -> Any:
    copy = move.copy

    def twice(flow: Flow, unit: str, cursor: Cursor | None, **more: Any) -> Iterator[Copied]:
        move.carry(flow, [0])
        for page in copy(flow, unit, cursor, **more):
            told = page.items + (page.cursor.done and unit == "odd")
            yield Copied(page.cursor, told, page.bytes)

    move.copy = twice
    return move


def yields_before_it_writes(move: Any) -> Any:
    def eager(flow: Flow, unit: str, cursor: Cursor | None, **_more: Any) -> Iterator[Copied]:
        last = (cursor.position or {}).get("last", -1) if cursor else -1
        parity = move.units(flow).index(unit)
        numbers = [n for n, _ in move.ends(flow)[0].items(move.tenant) if n % 2 == parity and n > last]
        for at in range(0, len(numbers), 4):
            page = numbers[at : at + 4]
            yield Copied(Cursor(unit=unit, position={"last": page[-1]}), len(page), 0)
            move.carry(flow, page)

    move.copy = eager
    return move


def never_deletes(move: Any) -> Any:
    carry = move.carry

    def kept(flow: Flow, numbers: Sequence[int]) -> Synced:
        there = move.ends(flow)[0].get(move.tenant, list(numbers))
        answer: Synced = carry(flow, [number for number in numbers if number in there])
        return answer

    move.carry = kept
    return move


def takes_anybodys_key(move: Any) -> Any:
    sync = move.sync
    move.sync = lambda flow, keys: sync(flow, [{"id": key["id"]} for key in keys])
    return move


def only_counts(move: Any) -> Any:
    compare = move.compare

    def count(flow: Flow, unit: str, *, repair: bool) -> Compared:
        found: Compared = compare(flow, unit, repair=repair)
        if found.source_items != found.target_items:
            return found
        return Compared(unit, found.source_items, found.target_items, found.source_digest, found.source_digest)

    move.compare = count
    return move


def sees_nothing_extra(move: Any) -> Any:
    compared = move._compared

    def blind(flow: Flow, unit: str, wanted: Callable[[int], bool], **more: Any) -> Compared:
        ours = {number for number, _ in move.ends(flow)[0].items(move.tenant)}
        found: Compared = compared(flow, unit, lambda number: wanted(number) and number in ours, **more)
        return found

    move._compared = blind
    return move


def samples_one_side(move: Any) -> Any:
    sample = move.sample

    def one_side(flow: Flow, most: int) -> list[Key]:
        there = {number for number, _ in move.ends(flow)[0].items(move.tenant)}
        return [key for key in sample(flow, most) if int(key["id"]["N"]) in there]

    move.sample = one_side
    return move


def repairs_nothing_by_keys(move: Any) -> Any:
    some = move.compare_some
    move.compare_some = lambda flow, keys, *, repair: some(flow, keys, repair=False)
    return move


def archives_a_line_twice(move: Any) -> Any:
    archive = move.archive

    def twice(flow: Flow) -> Iterator[bytes]:
        for line in archive(flow):
            yield line
        yield line

    move.archive = twice
    return move


def erases_unguarded(move: Any) -> Any:
    erase = move.erase
    move.erase = lambda flow, *, guard, keep_table=False: erase(flow, guard=lambda: None)
    return move


def erases_a_neighbour_too(move: Any) -> Any:
    erase = move.erase

    def all_of_it(flow: Flow, **more: Any) -> int:
        more["guard"]()
        move.ends(flow)[0].put("tenant-42-1", {1: None}, at=0.0)
        return int(erase(flow, **more))

    move.erase = all_of_it
    return move


def hides_what_it_cannot_write(move: Any) -> Any:
    sync = move.sync
    move.sync = lambda flow, keys: Synced((done := sync(flow, keys)).put, done.deleted)
    return move


def makes_without_saying(move: Any) -> Any:
    provision = move.provision
    move.provision = lambda *, run, intend: provision(run=run, intend=lambda _change, existed: existed)
    return move


def takes_away_what_it_did_not_make(move: Any) -> Any:
    unprovision = move.unprovision
    move.unprovision = lambda *, run, created: unprovision(run=run, created=True)
    return move


def with_channel(change: Callable[[Any, Any], None]) -> Callable[[Any], Any]:
    """A store whose channels are changed when they are opened."""

    def tamper(move: Any) -> Any:
        opened = move.channel

        def open_(*args: Any, **more: Any) -> Any:
            channel = opened(*args, **more)
            change(channel, move)
            return channel

        move.channel = open_
        return move

    return tamper


def moves_on_before_it_syncs(channel: Any, _move: Any) -> None:
    learn = channel._learn

    def late(numbers: Sequence[int]) -> None:
        channel._ledger.save_positions(channel.name, {"log": str(channel._origin.tip())})
        learn(numbers)

    channel._learn = late


def drains_nothing(channel: Any, _move: Any) -> None:
    channel.drain = lambda **_more: []


def leaves_its_positions(channel: Any, _move: Any) -> None:
    channel.close = channel.stop


def syncs_every_unit(channel: Any, _move: Any) -> None:
    channel._done = {"even", "odd"}


def syncs_in_every_state(channel: Any, _move: Any) -> None:
    start = channel.start
    channel.start = lambda _state: start(ChannelState.SYNC)


def tells_no_slip(channel: Any, _move: Any) -> None:
    channel.slips = list


def knows_of_no_change(channel: Any, _move: Any) -> None:
    channel.changed = list


def is_silent_about_refusals(channel: Any, _move: Any) -> None:
    channel.refused = str


def forgets_doubt(channel: Any, _move: Any) -> None:
    channel.doubt = lambda _keys: None


def doubts_in_memory(channel: Any, move: Any) -> None:
    pin = channel.pin

    def forgetful() -> None:
        for id_, (group, _) in channel._ledger.parked(channel.name).items():
            if group == "doubt":
                channel._ledger.unpark(channel.name, [id_])
        pin()

    channel.pin = forgetful


def inherits_nothing(channel: Any, _move: Any) -> None:
    channel.inherit = lambda _keys: None


BROKEN_STORES: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("looking_sends_no_write", looks_by_repairing),
    ("a_copy_makes_the_sides_equal", leaves_a_page_out),
    ("units_partition_the_keys", copies_an_item_in_two_units),
    ("a_cursor_comes_after_the_acknowledgement", yields_before_it_writes),
    ("a_copy_killed_at_any_request_goes_on_from_its_cursor", yields_before_it_writes),
    ("sync_makes_these_keys_equal", never_deletes),
    ("a_neighbours_key_is_refused", takes_anybodys_key),
    ("comparing_finds_every_difference", only_counts),
    ("comparing_finds_every_difference", sees_nothing_extra),
    ("a_sample_is_of_both_sides", samples_one_side),
    ("a_sample_is_of_both_sides", repairs_nothing_by_keys),
    ("an_archive_has_every_item_once", archives_a_line_twice),
    ("an_erasure_takes_the_tenants_items_only", erases_unguarded),
    ("an_erasure_takes_the_tenants_items_only", erases_a_neighbour_too),
    ("an_unwritable_item_is_told_and_the_rest_is_written", hides_what_it_cannot_write),
    ("provisioning_is_what_it_says", makes_without_saying),
    ("provisioning_is_what_it_says", takes_away_what_it_did_not_make),
    ("a_copy_beside_a_writer_ends_equal", never_deletes),
    ("a_copy_beside_a_writer_ends_equal", with_channel(leaves_its_positions)),
    ("a_drain_leaves_nothing_unread", with_channel(drains_nothing)),
    ("keys_of_an_unfinished_unit_wait_durably", with_channel(syncs_every_unit)),
    ("a_channel_that_parks_writes_nothing", with_channel(syncs_in_every_state)),
    ("a_tripwire_tells_and_writes_nothing", with_channel(syncs_in_every_state)),
    ("a_tripwire_tells_and_writes_nothing", with_channel(tells_no_slip)),
    ("what_changed_since_the_mark_is_told", with_channel(knows_of_no_change)),
    ("a_channel_tells_what_it_cannot_write", with_channel(is_silent_about_refusals)),
    ("a_channel_killed_at_any_write_loses_nothing", with_channel(moves_on_before_it_syncs)),
    ("a_key_in_doubt_is_written_again", with_channel(forgets_doubt)),
    ("a_doubt_outlives_its_process", with_channel(doubts_in_memory)),
    ("a_write_of_a_replaced_process_does_not_last", with_channel(inherits_nothing)),
)
