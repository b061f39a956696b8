"""Mutants of what a run remembers and of how a request is sent."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="lease-fence-of-a-beat",
        file="portability/journal/writer.py",
        before=('add={"beat": 1}, expect={"fence": self.fence})\n            try'),
        after=('add={"beat": 1}, expect={})\n            try'),
        test="tests/journal/test_stale.py::test_nothing_is_accepted_under_an_old_fence[memory]",
        why="a stale runner's beat would renew a lease that another holds",
    ),
    Mutant(
        name="lease-fence-of-a-write",
        file="portability/journal/writer.py",
        before='check = Check(self._lease, {"fence": self.fence})',
        after="check = Check(self._lease, {})",
        test="tests/journal/test_stale.py::test_nothing_is_accepted_under_an_old_fence[memory]",
        why="a stale runner would save checkpoints and park keys",
    ),
    Mutant(
        name="lease-fence-of-an-append",
        file="portability/journal/writer.py",
        before='expect={"fence": self.fence, WRITE: self._write, **expect},',
        after="expect={},",
        test="tests/journal/test_stale.py::test_nothing_is_accepted_under_an_old_fence[memory]",
        why="a stale runner would append entries",
    ),
    Mutant(
        name="write-id-recognised",
        file="portability/journal/table.py",
        before="if not any(row is not None and row.get(WRITE) == self.mark for row in ours):",
        after="if True:",
        test=(
            "tests/journal/test_append.py"
            "::test_our_own_lost_reply_counts_even_where_the_foreign_condition_now_fails_because_of_it[memory]"
        ),
        why="a lost reply of our own write would be read as somebody else's",
    ),
    Mutant(
        name="write-id-read-back",
        file="portability/journal/table.py",
        before=("return row is not None and row.get(WRITE) == self.mark\n"),
        after=("return False\n"),
        test=(
            "tests/journal/test_append.py"
            "::test_a_lost_reply_is_found_by_reading_the_lease_before_anything_is_sent_again[memory]"
        ),
        why="after a missing answer the journal is asked, before anything is sent twice",
    ),
    Mutant(
        name="late-write-voided",
        file="portability/journal/writer.py",
        before="if not sending.uncertain or self._void(token):",
        after="if True:",
        test=(
            "tests/journal/test_append.py"
            "::test_a_refused_append_whose_first_copy_is_still_on_its_way_can_never_land[memory]"
        ),
        why="an append that was refused late could land after all",
    ),
    Mutant(
        name="lease-patience",
        file="portability/journal/writer.py",
        before="if self.clock.monotonic() - self._sent > self._timing.patience:",
        after="if self.clock.monotonic() - self._sent > 10 * self._timing.patience:",
        test=(
            "tests/journal/test_renewal.py"
            "::test_a_runner_stops_when_two_thirds_of_a_lease_have_passed_since_it_sent_its_last_renewal"
        ),
        why="a runner that stood still would go on beside its successor",
    ),
    Mutant(
        name="take-over-sees-the-beat",
        file="portability/journal/runs.py",
        before='for name in ("holder", "fence", "beat", "seq", "head", WRITE)}',
        after='for name in ("fence",)}',
        test=("tests/journal/test_taking.py::test_a_beat_that_comes_while_the_lease_is_being_taken_stops_the_taking"),
        why="a holder that beats again just now would be taken over",
    ),
    Mutant(
        name="one-run-a-tenant",
        file="portability/journal/runs.py",
        before='{"run": run, "to": to, WRITE: write_id}, ABSENT),',
        after='{"run": run, "to": to, WRITE: write_id}),',
        test=(
            "tests/journal/test_start.py"
            "::test_a_second_run_of_the_tenant_is_refused_and_says_who_runs_the_first_and_when_it_was_heard_of[memory]"
        ),
        why="two runs would move one tenant at once",
    ),
    Mutant(
        name="plan-spent-once",
        file="portability/journal/runs.py",
        before=('{"run": run}, ABSENT),\n            Put(rows.run_key(run, rows.HEADER)'),
        after=('{"run": run}),\n            Put(rows.run_key(run, rows.HEADER)'),
        test="tests/journal/test_start.py::test_a_plan_is_used_once[memory]",
        why="a saved plan would run twice",
    ),
    Mutant(
        name="head-check",
        file="portability/journal/chain.py",
        before="elif lease.seq < 1 or read[lease.seq - 1].hash != lease.head:",
        after="elif lease.seq < 1:",
        test=(
            "tests/journal/test_chain.py"
            "::test_an_edit_of_any_field_of_any_entry_is_found_even_where_its_own_hash_was_made_right"
        ),
        why="a rewritten tail would pass for whole",
    ),
    Mutant(
        name="chain-link",
        file="portability/journal/chain.py",
        before="if entry.prev != previous:",
        after="if False:",
        test=(
            "tests/journal/test_chain.py"
            "::test_an_edit_of_any_field_of_any_entry_is_found_even_where_its_own_hash_was_made_right"
        ),
        why="an entry taken out of the middle and renumbered would not show",
    ),
    Mutant(
        name="strong-journal-read",
        file="portability/aws/dynamodb.py",
        before="Key=key, ConsistentRead=True)",
        after="Key=key, ConsistentRead=False)",
        test="tests/aws/test_guard.py::test_every_read_is_strongly_consistent_unless_it_says_otherwise",
        why="the journal and the directory would be read as they once were",
    ),
    Mutant(
        name="strong-read-of-a-sync",
        file="portability/aws/requests.py",
        before='"ConsistentRead": True, **projected',
        after='"ConsistentRead": False, **projected',
        test="tests/aws/test_guard.py::test_every_read_is_strongly_consistent_unless_it_says_otherwise",
        why="sync would carry a value that was already replaced",
    ),
    Mutant(
        name="intent-entry",
        file="portability/engine/context.py",
        before=("        self.held.append(Fact.INTENT, data, step=self.step)\n"),
        after=("        _ = data\n"),
        test="tests/steps_data/test_cut_over.py::test_what_was_previewed_is_what_was_intended",
        why="an undo would not know what the run made",
    ),
    Mutant(
        name="sign-look-send",
        file="portability/aws/guard.py",
        before='events.register_last("before-send", look_then_send)',
        after='events.register_last("provide-client-params", look_then_send)',
        test="tests/aws/test_guard.py::test_a_write_is_signed_then_looked_at_then_sent",
        why="the lease would be looked at before signing, and not for every attempt",
    ),
    Mutant(
        name="read-only-refuses",
        file="portability/aws/guard.py",
        before=("    if read_only:\n        events.register_first"),
        after=("    if False:\n        events.register_first"),
        test=("tests/aws/test_guard.py::test_a_read_only_client_sends_no_operation_that_is_not_a_read[apigateway]"),
        why="a preview could change something",
    ),
    Mutant(
        name="whole-answers-only",
        file="portability/aws/guard.py",
        before="if crc is not None and crc != str(zlib.crc32(body)):",
        after="if False:",
        test="tests/aws/test_guard.py::test_an_answer_that_was_changed_on_its_way_is_no_answer",
        why="an item lost from a cut answer would read as deleted",
    ),
)
