"""Mutants of the copy, the channel and the table."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="parked-keys",
        file="portability/stores/dynamodb/poller.py",
        before="if self.state is ChannelState.SYNC and of in self._finished:",
        after="if self.state is ChannelState.SYNC:",
        test=(
            "tests/contract/test_dynamo_store.py"
            "::test_the_dynamodb_store_keeps_the_contract[keys_of_an_unfinished_unit_wait_durably]"
        ),
        why="a copy would overwrite what the channel wrote before it",
    ),
    Mutant(
        name="parking-is-durable",
        file="portability/stores/dynamodb/parking.py",
        before="self._remember(self._ledger.park(self._channel, group, new), group, new)",
        after='self._remember(f"m{len(self._batches)}", group, new)',
        test=(
            "tests/contract/test_dynamo_store.py"
            "::test_the_dynamodb_store_keeps_the_contract[keys_of_an_unfinished_unit_wait_durably]"
        ),
        why="keys that wait would be forgotten with their process",
    ),
    Mutant(
        name="parking-state",
        file="portability/stores/dynamodb/poller.py",
        before="if self.state is ChannelState.SYNC and of in self._finished:",
        after="if of in self._finished:",
        test=(
            "tests/contract/test_dynamo_store.py"
            "::test_the_dynamodb_store_keeps_the_contract[a_channel_that_parks_writes_nothing]"
        ),
        why="a way back would write before the flip",
    ),
    Mutant(
        name="doubt",
        file="portability/stores/dynamodb/sync.py",
        before="                self.doubt.add(written.indefinite)",
        after="                _ = self.doubt",
        test=(
            "tests/contract/test_dynamo_store.py"
            "::test_the_dynamodb_store_keeps_the_contract[a_key_in_doubt_is_written_again]"
        ),
        why="a write that lands late would stay",
    ),
    Mutant(
        name="horizon-outlives-its-process",
        file="portability/journal/lease.py",
        before="left = waited.left\n",
        after="left = 0.0\n",
        test="tests/steps_data/test_cut_over_crash.py::test_a_third_process_waits_for_the_writes_of_the_first",
        why="a write of a process before the one before would land unnoticed",
    ),
    Mutant(
        name="cancel-outlasts-what-is-late",
        file="portability/engine/unwind.py",
        before="    outlast()\n    held.append(Fact.UNWOUND",
        after="    held.append(Fact.UNWOUND",
        test=(
            "tests/steps_data/test_cut_over_crash.py::test_a_run_is_not_unwound_before_what_its_undo_sent_has_landed"
        ),
        why="a write, or a deletion, would land in the tables that the next run made again",
    ),
    Mutant(
        name="cancel-begins-after-what-is-late",
        file="portability/engine/unwind.py",
        before="    outlast()\n    for stop",
        after="    for stop",
        test=(
            "tests/steps_data/test_cut_over_crash.py::test_nothing_is_undone_before_what_a_dead_process_sent_has_landed"
        ),
        why="a table whose creation lands late would be left behind, and refused by the tenant's next run",
    ),
    Mutant(
        name="lost-records-are-compared-without-excuse",
        file="portability/stores/dynamodb/move.py",
        before="compare=lambda unit: self._compare(flow, excuse=False).unit(unit, repair=True),",
        after="compare=lambda unit: self.compare(flow, unit, repair=True),",
        test=(
            "tests/stores/test_lost_positions_engine.py"
            "::test_what_a_trimmed_shard_no_longer_tells_is_found_by_comparing[True]"
        ),
        why="a change whose record was lost would be taken for one that the channel still tells of",
    ),
    Mutant(
        name="archive-after-what-is-late",
        file="portability/steps/retire_source.py",
        before="        wait_for_late_writes(ctx)\n",
        after="",
        test=(
            "tests/steps_data/test_cut_over_crash.py::test_a_run_ends_when_nothing_of_a_killed_process_can_land"
            "[retire-source-complete]"
        ),
        why="an item that landed after the erasure would stay in a shared table",
    ),
    Mutant(
        name="children-are-listed",
        file="portability/stores/dynamodb/poller.py",
        before=", childless=self.feed.childless)",
        after=")",
        test=(
            "tests/stores/test_shards_engine.py"
            "::test_children_that_are_not_listed_yet_are_waited_for_where_their_parent_was_read_to_its_end_before"
        ),
        why="the last writes before a fence may be in a shard that no listing shows yet",
    ),
    Mutant(
        name="records-by-their-own-clock",
        file="portability/steps/cutover/turn.py",
        before="ctx.aws.sent.heard or ctx.clock.now()",
        after="ctx.clock.now()",
        test=(
            "tests/steps_data/test_cut_over.py"
            "::test_a_stream_is_drained_past_the_fence_by_the_clock_that_dates_its_records[12345.0]"
        ),
        why="a clock that is behind would take a record from before the fence for one behind it",
    ),
    Mutant(
        name="unanswered-is-told",
        file="portability/aws/caller.py",
        before="            self._unanswered()\n",
        after="            pass\n",
        test="tests/aws/test_answers.py::test_a_write_without_a_definite_answer_is_told_and_no_other",
        why="a run would end while a call that was not answered may land",
    ),
    Mutant(
        name="doubt-is-durable",
        file="portability/stores/dynamodb/doubt.py",
        before="kept = Due(self._ledger.park(self._channel, DOUBT, batch.keys), batch.at, batch.keys)",
        after='kept = Due("kept", batch.at, batch.keys)',
        test=(
            "tests/contract/test_dynamo_store.py"
            "::test_the_dynamodb_store_keeps_the_contract[a_doubt_outlives_its_process]"
        ),
        why="a doubt would be forgotten with its process",
    ),
    Mutant(
        name="doubt-inherited",
        file="portability/stores/dynamodb/sync.py",
        before="self.doubt.inherit([key for key in keys if not layout.is_canary(key)])",
        after="_ = layout",
        test=(
            "tests/contract/test_dynamo_store.py"
            "::test_the_dynamodb_store_keeps_the_contract[a_write_of_a_replaced_process_does_not_last]"
        ),
        why="a killed process's late write would stay",
    ),
    Mutant(
        name="unprocessed-is-not-absent",
        file="portability/stores/dynamodb/plane.py",
        before="for key in asked.keys() - unanswered:",
        after="for key in list(asked):",
        test="tests/stores/test_writes_engine.py::test_a_key_that_was_not_answered_is_not_taken_for_absent",
        why="an item that was not answered would be deleted on the other side",
    ),
    Mutant(
        name="unprocessed-is-sent-again",
        file="portability/stores/dynamodb/plane.py",
        before=("puts, deletes = left_puts, left_deletes\n            if puts"),
        after=("puts, deletes = (), ()\n            if puts"),
        test="tests/stores/test_writes_engine.py::test_only_what_was_not_processed_is_sent_again",
        why="a throttled write would be lost",
    ),
    Mutant(
        name="one-bad-item",
        file="portability/stores/dynamodb/plane.py",
        before=("                self._write_singly(puts, deletes, written, refusal)\n"),
        after=(
            "                every = [*puts, *deletes]\n"
            "                written.unwritable += [(self.layout.key(each), _reason(refusal)) for each in every]\n"
        ),
        test=(
            "tests/stores/test_writes_engine.py"
            "::test_an_unwritable_item_is_split_out_recorded_and_blocks_until_it_can_be_written"
        ),
        why="one item that cannot be written would keep its whole batch away",
    ),
    Mutant(
        name="neighbours-are-untouchable",
        file="portability/stores/dynamodb/layout.py",
        before=(
            "            if not self.is_mine(key) and not (canaries and self.is_canary(key)):\n                msg"
        ),
        after=("            if False:\n                msg"),
        test=(
            "tests/contract/test_dynamo_store.py"
            "::test_the_dynamodb_store_keeps_the_contract[a_neighbours_key_is_refused]"
        ),
        why="a neighbour's items would be written and deleted",
    ),
    Mutant(
        name="neighbours-by-equality",
        file="portability/stores/dynamodb/layout.py",
        before="return parsed is not None and parsed.tenant == self.tenant",
        after="return text is not None and text.startswith(self.tenant)",
        test="tests/stores/test_pattern.py::test_a_prefix_of_my_id_is_not_me_and_i_am_not_a_prefix_of_others",
        why="tenant-42 would take the keys of tenant-42-1",
    ),
    Mutant(
        name="checkpoint-after-acknowledgement",
        file="portability/stores/dynamodb/copy.py",
        before=(
            '            page_bytes = self._write(leaf, pool, named=unit.startswith("p/"))\n'
            "            items, size = items + len(leaf.items), size + page_bytes\n"
            "            position = to_cursor(leaf.next)\n"
            "            yield Copied(\n"
            "                Cursor(unit=unit, position=position, items=items, bytes=size, done=position is None),\n"
            "                len(leaf.items),\n"
            "                page_bytes,\n"
            "            )\n"
        ),
        after=(
            "            page_bytes = digest.raw_size(leaf.items)\n"
            "            items, size = items + len(leaf.items), size + page_bytes\n"
            "            position = to_cursor(leaf.next)\n"
            "            yield Copied(\n"
            "                Cursor(unit=unit, position=position, items=items, bytes=size, done=position is None),\n"
            "                len(leaf.items),\n"
            "                page_bytes,\n"
            "            )\n"
            '            self._write(leaf, pool, named=unit.startswith("p/"))\n'
        ),
        test=(
            "tests/contract/test_dynamo_store.py"
            "::test_the_dynamodb_store_keeps_the_contract[a_cursor_comes_after_the_acknowledgement]"
        ),
        why="a page whose writes were not acknowledged would be skipped on resume",
    ),
    Mutant(
        name="position-after-sync",
        file="portability/stores/dynamodb/poller.py",
        before=("        self._deal()\n        self._advance()\n"),
        after=("        self._advance()\n        self._savings.now(self.feed)\n        self._deal()\n"),
        test=(
            "tests/contract/test_dynamo_store.py"
            "::test_the_dynamodb_store_keeps_the_contract[a_channel_killed_at_any_write_loses_nothing]"
        ),
        why="a key that was read and not synced would be forgotten in a crash",
    ),
    Mutant(
        name="stream-off-before-its-record",
        file="portability/stores/dynamodb/stream.py",
        before=("                self._turn_off()\n                ledger.stream_users(self.table, add=False)\n"),
        after=("                ledger.stream_users(self.table, add=False)\n                self._turn_off()\n"),
        test=(
            "tests/stores/test_stream_turned_off.py"
            "::test_a_process_that_is_killed_while_it_lets_go_of_a_stream_leaves_what_a_repeat_ends"
        ),
        why="a stream that nobody is known to use would stay on",
    ),
    Mutant(
        name="a-stream-is-asked-for-until-it-is-on",
        file="portability/stores/dynamodb/stream.py",
        before="            self._pause(deadline, ASK_EVERY)\n",
        after="            while on is None and self.latest() is None:\n                self._pause(deadline)\n",
        test=(
            "tests/stores/test_stream_turned_off.py::test_a_stream_that_could_not_be_turned_on_yet_is_asked_for_again"
        ),
        why="a request that never arrived would park the run, or hold it up for minutes",
    ),
    Mutant(
        name="a-canary-is-written-until-somebody-says-so",
        file="portability/stores/dynamodb/litter.py",
        before="canaries=True), once=not keep)\n",
        after="canaries=True), once=True)\n",
        test=(
            "tests/stores/test_drain_engine.py"
            "::test_a_canary_whose_write_is_not_answered_is_written_again_and_leaves_nothing"
        ),
        why="one lost request would hold a cutover up until its patience ends",
    ),
    Mutant(
        name="what-is-on-its-way-is-no-difference",
        file="portability/steps/verify_data.py",
        before="        lasting[store] = [one for one in some if key_word(one.key) not in changed]\n",
        after="        lasting[store] = [one for one in some if changed is not None]\n",
        test=(
            "tests/steps_data/test_verified.py"
            "::test_a_change_that_is_on_its_way_while_its_channel_stands_still_is_no_difference"
        ),
        why="a run would stop with a difference that is none, and its operator would doubt the data",
    ),
    Mutant(
        name="a-table-is-asked-for-until-it-is-made",
        file="portability/stores/dynamodb/provision.py",
        before="                return False  # asked for again: the request may never have arrived\n",
        after="                return True\n",
        test="tests/stores/test_table_engine.py::test_a_table_whose_creation_is_not_answered_is_asked_for_again",
        why="a request that never arrived would park the run, or hold it up for minutes",
    ),
    Mutant(
        name="lost-positions-are-mended",
        file="portability/stores/dynamodb/poller.py",
        before=("        if self.feed.lost:\n            self.rebaseline.mark()\n"),
        after=("        if self.feed.lost:\n"),
        test=(
            "tests/stores/test_lost_positions_engine.py"
            "::test_what_a_trimmed_shard_no_longer_tells_is_found_by_comparing"
        ),
        why="what a trimmed stream no longer tells would be skipped",
    ),
    Mutant(
        name="key-held-while-written",
        file="portability/stores/dynamodb/in_flight.py",
        before="self._changed.wait_for(lambda: self._held.isdisjoint(wanted))",
        after="self._changed.wait_for(lambda: True)",
        test=(
            "tests/stores/test_writes_engine.py"
            "::test_two_syncs_of_a_key_never_overlap_and_the_later_one_reads_the_later_state"
        ),
        why="of two writes of a key the older could land last",
    ),
    Mutant(
        name="erase-guard",
        file="portability/stores/dynamodb/erase.py",
        before=("                for attempt in range(1, plane.retry.attempts + 1):\n                    guard()\n"),
        after=("                for attempt in range(1, plane.retry.attempts + 1):\n"),
        test=(
            "tests/contract/test_dynamo_store.py"
            "::test_the_dynamodb_store_keeps_the_contract[an_erasure_takes_the_tenants_items_only]"
        ),
        why="a deletion would go on after the directory said otherwise",
    ),
    Mutant(
        name="owner-check-in-cancel",
        file="portability/stores/dynamodb/provision.py",
        before=("        if tags is not None and tags.get(RUN_TAG) != run:\n            return\n"),
        after="",
        test="tests/stores/test_table_engine.py::test_a_table_of_another_run_is_neither_taken_nor_deleted",
        why="a cancel would delete a table that another run made",
    ),
    Mutant(
        name="throttled-at-the-beginning",
        file="portability/stores/throttle.py",
        before="        grown = self._allowed * (1.0 + REGAIN) ** min(past, LONG)\n",
        after="        grown = self._allowed + 0.05 * past\n",
        test=(
            "tests/stores/test_throttle.py"
            "::test_without_a_grant_a_copy_throttled_at_its_very_beginning_is_soon_as_fast_as_the_table_bears[60.0]"
        ),
        why="a copy that was throttled before it wrote anything would crawl for hours",
    ),
)
