"""Mutants of the flip, of what goes before it, and of the deletion after it."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="epoch-condition",
        file="portability/steps/directory.py",
        before='"#stamp.#run = :run AND #stamp.#epoch = :expected" + condition',
        after='"#stamp.#run = :run" + condition',
        test="tests/steps_data/test_directory.py::test_an_epoch_is_raised_from_the_expected_one_only[fake]",
        why="an abort and a flip could both come to pass",
    ),
    Mutant(
        name="flip-condition-epoch",
        file="portability/steps/directory.py",
        before=('conditions=["#stamp.#run = :run", "#stamp.#epoch = :epoch", "#stamp.#fenced = :fenced"]'),
        after=('conditions=["#stamp.#run = :run", "#stamp.#epoch >= :epoch", "#stamp.#fenced = :fenced"]'),
        test=(
            "tests/steps_data/test_directory.py"
            "::test_a_flip_is_refused_when_anything_it_rests_on_has_changed[engine-epoch]"
        ),
        why="a flip that was on its way would land after its abort",
    ),
    Mutant(
        name="flip-condition-fence",
        file="portability/steps/directory.py",
        before='"#stamp.#epoch = :epoch", "#stamp.#fenced = :fenced"]',
        after='"#stamp.#epoch = :epoch", "(#stamp.#fenced = :fenced OR #stamp.#fenced <> :fenced)"]',
        test=(
            "tests/steps_data/test_directory.py"
            "::test_a_flip_is_refused_when_anything_it_rests_on_has_changed[engine-fence]"
        ),
        why="a flip would not need the fence that was raised for it",
    ),
    Mutant(
        name="flip-condition-values",
        file="portability/steps/record_rewrite.py",
        before='                self.conditions.append(f"#a{number} = :old{number}")',
        after=('                self.conditions.append(f"(#a{number} = :old{number} OR #a{number} <> :old{number})")'),
        test=(
            "tests/steps_data/test_directory.py"
            "::test_a_flip_is_refused_when_anything_it_rests_on_has_changed[engine-tier]"
        ),
        why="somebody's change of the record would be overwritten",
    ),
    Mutant(
        name="epoch-before-unfence",
        file="portability/steps/cutover/take_back.py",
        before=("        stamp = _lowered(ctx, announced)\n"),
        after=(
            '        ctx.commit(Fact.UNFENCED, {"epoch": announced, "step": ctx.step, "why": why})\n'
            "        stamp = _lowered(ctx, announced)\n"
        ),
        test=(
            "tests/steps_data/test_cut_over_crash.py"
            "::test_a_run_killed_at_any_call_of_the_cutover_resumes_to_the_same_world"
        ),
        why="the journal would say that a tenant writes again before the directory does",
    ),
    Mutant(
        name="take-back-finds-a-flip",
        file="portability/steps/cutover/take_back.py",
        before=("    if stamp.act == FLIPPED:\n        record_flip(ctx, leg, stamp)\n        return stamp.act\n"),
        after="",
        test=(
            "tests/steps_data/test_cut_over_crash.py"
            "::test_a_flip_in_another_region_killed_at_any_call_is_found_by_its_stamp"
        ),
        why="a flip whose reply was lost would be taken for an abort",
    ),
    Mutant(
        name="fenced-entry-first",
        file="portability/steps/cutover/turn.py",
        before=(
            '        ctx.commit(Fact.FENCED, {"epoch": stamp.epoch + 1, "fence": self.fence.kind, "step": ctx.step})\n'
            "        pause ="
        ),
        after="        pause =",
        test="tests/steps_data/test_cut_over.py::test_the_fence_is_announced_before_it_is_raised",
        why="a fresh process would not know that the tenant is paused",
    ),
    Mutant(
        name="guardian-armed",
        file="portability/steps/cutover/turn.py",
        before=("            guardian.arm(stamp.epoch + 1)\n"),
        after="",
        test=(
            "tests/steps_data/test_guardian.py"
            "::test_killed_at_any_call_the_tenant_writes_again_before_anybody_resumes_and_the_move_is_completed[forth]"
        ),
        why="nobody would lift the fence of a killed cutover",
    ),
    Mutant(
        name="drain-before-flip",
        file="portability/steps/cutover/turn.py",
        before=("            silent = drain(ctx, channels, after=held_at, pause=pause)\n"),
        after=("            silent: list[str] = []\n            _ = (drain, held_at)\n"),
        test="tests/steps_data/test_cut_over.py::test_every_sub_step_happens_in_the_order_of_the_design",
        why="the last writes before the fence would be lost",
    ),
    Mutant(
        name="nothing-waits-at-the-flip",
        file="portability/steps/cutover/drain.py",
        before="    if lag.backlog or lag.parked or lag.doubtful or left:",
        after="    if False:",
        test=(
            "tests/steps_data/test_cut_over_taken_back.py"
            "::test_a_slip_that_the_channel_saw_only_after_the_comparison_is_not_flipped_over"
        ),
        why="a flip would leave parked and doubtful keys behind",
    ),
    Mutant(
        name="verified-inside-the-fence",
        file="portability/steps/cutover/turn.py",
        before="compared = compare_changed(ctx, channels, silent, go_on=go_on)",
        after="compared = len(silent) * bool(compare_changed)",
        test=(
            "tests/steps_data/test_cut_over_taken_back.py::test_a_difference_inside_the_fence_unfences_and_stops_with_nothing_lost"
        ),
        why="a difference would be flipped to",
    ),
    Mutant(
        name="a-silent-store-is-compared-both-ways",
        file="portability/steps/cutover/drain.py",
        before=", *move.strays(channels.flow)]",
        after="]",
        test=(
            "tests/steps_data/test_cut_over.py"
            "::test_a_deletion_of_which_a_silent_shard_did_not_tell_is_found_inside_the_fence"
        ),
        why="what the tenant deleted before the fence would come back",
    ),
    Mutant(
        name="lost-slips-are-suspected",
        file="portability/steps/cutover/tripwire.py",
        before="            _suspect(ctx, leg, watching, back)\n",
        after="            _ = (_suspect, back)\n",
        test=(
            "tests/steps_data/test_slips_overruled.py"
            "::test_a_late_write_whose_record_was_lost_stops_the_run_until_it_is_overruled"
        ),
        why="a late write whose record was lost would be overwritten by the way back",
    ),
    Mutant(
        name="a-flip-asks-before-it-is-sent",
        file="portability/steps/cutover/flip.py",
        before="        go_on()\n",
        after="",
        test=(
            "tests/steps_data/test_fence_and_pause.py"
            "::test_a_flip_that_keeps_conflicting_is_given_up_when_the_tenant_has_waited_long_enough"
        ),
        why="a tenant would wait for a flip that cannot be written for as long as it takes",
    ),
    Mutant(
        name="a-stack-row-is-as-it-was-planned",
        file="portability/steps/cutover/gates.py",
        before="    if stack not in staged_stacks(ctx):\n",
        after="    if False:\n",
        test=("tests/steps_data/test_cut_over.py::test_a_stack_row_that_somebody_changed_meanwhile_is_not_overwritten"),
        why="what an operator or a pipeline wrote meanwhile would be overwritten",
    ),
    Mutant(
        name="suspected-slips-have-no-excuse",
        file="portability/steps/cutover/tripwire.py",
        before="        channel.mark()  # what changed before the flip is excused no longer\n",
        after="",
        test=(
            "tests/steps_data/test_slips_overruled.py"
            "::test_a_lost_late_write_of_a_key_that_had_changed_since_the_verification_stops_the_run_too"
        ),
        why="a late write of a key that had changed shortly before the flip would be overwritten by the way back",
    ),
    Mutant(
        name="pause-is-bounded",
        file="portability/steps/cutover/turn.py",
        before=("            pause.spent()\n            guardian.check()\n"),
        after=("            guardian.check()\n"),
        test="tests/steps_data/test_fence_and_pause.py::test_a_pause_that_lasts_too_long_is_taken_back_by_epoch_and_tried_again",
        why="a tenant would wait for longer than freeze_max",
    ),
    Mutant(
        name="tripwire",
        file="portability/steps/cutover/turn.py",
        before=("            watch(ctx, leg, self.channels, self.back, within=seconds(ctx.estate.fence.tripwire))\n"),
        after=("            _ = watch\n"),
        test=(
            "tests/steps_data/test_cut_over_taken_back.py"
            "::test_a_write_that_slips_through_after_the_flip_stops_the_run_and_is_not_discarded"
        ),
        why="a write that slipped past the fence would be lost unseen",
    ),
    Mutant(
        name="tripwire-by-one-clock",
        file="portability/steps/cutover/tripwire.py",
        before="    until = ctx.clock.monotonic() + within\n",
        after='    until = ctx.clock.monotonic() + within - (ctx.clock.now() - float(ctx.view.flipped["at"]))\n',
        test=(
            "tests/steps_data/test_cut_over_taken_back.py"
            "::test_whoever_goes_on_after_the_flip_watches_the_whole_time_whatever_its_clock_says[86400.0]"
        ),
        why="where the clock of whoever goes on is ahead, late writes are not watched for",
    ),
    Mutant(
        name="reverse-canary",
        file="portability/steps/cutover/gates.py",
        before=("            back.moves[store].canary_roundtrip(back.flow, channel, run=ctx.run, patience=patience)\n"),
        after=("            _ = (store, channel, patience)\n"),
        test="tests/steps_data/test_cut_over.py::test_every_sub_step_happens_in_the_order_of_the_design",
        why="a flip would have no proven way back",
    ),
    Mutant(
        name="verdict-on-the-archive",
        file="portability/steps/retire_source.py",
        before=('            verify_archive(ctx, archived)\n            ctx.note("archived"'),
        after='            ctx.note("archived"',
        test="tests/steps_data/test_copy_soak_retire.py::test_a_corrupted_archive_keeps_everything",
        why="the old copy would be deleted after a torn archive",
    ),
    Mutant(
        name="a-cancelled-run-goes-one-way",
        file="portability/cli/operations.py",
        before="if goal is not Goal.CANCEL and view.state in (RunState.UNWINDING, RunState.STUCK):",
        after="if False:",
        test=(
            "tests/machine/test_machine.py"
            "::test_a_run_that_is_being_cancelled_takes_no_other_verb_and_names_cancel[cutover]"
        ),
        why="a cutover asked of a run that is being cancelled would unwind it and end well",
    ),
    Mutant(
        name="verify-lifts-a-fence",
        file="portability/cli/compare_sides.py",
        before="            runner.find_out()\n",
        after="",
        test=(
            "tests/machine/test_machine.py"
            "::test_killed_at_any_call_of_the_directory_no_verb_of_another_host_leaves_the_tenant_paused"
            "[after-gone-repair]"
        ),
        why="a verification would park a run whose tenant is paused",
    ),
    Mutant(
        name="a-late-archive-is-waited-out",
        file="portability/steps/retire_source.py",
        before='                wait_out(ctx, "an archive that may still land", guard=guard)',
        after="                guard()",
        test=(
            "tests/steps_data/test_copy_soak_retire.py"
            "::test_an_archive_that_lands_late_does_not_replace_the_one_that_was_verified"
        ),
        why="the archive of a process that was replaced could land on the one that was verified",
    ),
)
