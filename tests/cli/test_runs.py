"""Runs as an operator meets them: parked, adopted, paused, held by somebody else, taken back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from portability import errors
from portability.cli import compare_sides
from portability.cli.asked import Asked
from portability.cli.call import Call
from portability.journal.lease import this_holder
from tests.cli.bench import TO_PREMIUM, Bench, a_holder_elsewhere, parked_after, surroundings

MakeBench = Callable[..., Bench]


@pytest.fixture
def mine(fresh_bench: MakeBench) -> Bench:
    return fresh_bench()


# ---------------------------------------------------------------------------------------------------------- adoption


def test_the_same_command_goes_on_with_a_parked_run_and_says_so(mine: Bench) -> None:
    first = parked_after(mine, "resources")
    again = mine.run(*TO_PREMIUM, "--until", "config", "-o", "json").expect(7)
    assert again.json["run_id"] == first["run_id"]
    assert f"going on with run {first['run_id']}" in again.said
    assert json.loads(again.stderr.rstrip().split("\n")[-1])["error"]["exit"] == 7


def test_a_run_to_another_target_is_exit_5_and_names_the_way_out(mine: Bench) -> None:
    run = parked_after(mine, "preflight")["run_id"]
    before = mine.inventory()
    ran = mine.run("migrate", "tenant-42", "--to", "standard", "--yes").expect(5)
    assert f"tenant-42 has run {run} to premium" in ran.said
    assert "Next: portability status tenant-42" in ran.stderr
    assert mine.inventory() == before


def test_a_run_held_by_a_live_process_is_exit_5_in_the_words_of_the_manual(mine: Bench) -> None:
    run = parked_after(mine, "preflight")["run_id"]
    held = a_holder_elsewhere(mine, run)
    try:
        for argv in (TO_PREMIUM, ("resume", "tenant-42"), ("cancel", run)):
            ran = mine.run(*argv).expect(5)
            assert ran.stderr.startswith(f"PORT-E105 tenant-42 is being migrated by run {run} (bo@laptop, last beat ")
            assert "Wait: --lock-timeout 10m   Look: portability lock show tenant-42" in ran.stderr
        shown = mine.run("lock", "show", "tenant-42", "-o", "json").expect(0).json
        assert shown["holder"]["name"] == "bo@laptop"
        entries = mine.run("journal", "show", run, "-o", "json").expect(0).json["entries"]
        assert entries[-1]["fact"] == "resumed"
    finally:
        held.abandon()


def test_a_run_whose_process_is_gone_says_so_and_a_watcher_does_not_wait_for_it(mine: Bench) -> None:
    run = parked_after(mine, "preflight")["run_id"]
    with surroundings(mine.env, mine.folder), Call.begin(Asked(config=mine.folder / "estate.yaml")) as call:
        dead = msgspec.structs.replace(this_holder("bo@here"), pid=2**22 - 3, started="1")
        call.desk.journal.acquire(run, dead).abandon()
    told = mine.run("status", "tenant-42").expect(0).stdout
    assert "its holder bo@here (pid 4194301) is gone" in told
    assert f"Next: portability resume {run}" in told
    watched = mine.run("status", "tenant-42", "--watch", "--timeout", "60s").expect(8)
    assert f"Next: portability resume {run}" in watched.stderr
    assert "--watch" not in watched.stderr


def test_a_lock_is_broken_only_with_the_number_that_was_seen_and_a_reason(mine: Bench) -> None:
    run = parked_after(mine, "preflight")["run_id"]
    held = a_holder_elsewhere(mine, run)
    try:
        mine.run("lock", "break", run, "--fence", str(held.fence), "--reason", " ").expect(64)
        mine.run("lock", "break", run, "--fence", str(held.fence + 1), "--reason", "lost").expect(5)
        mine.run("lock", "break", run, "--fence", str(held.fence), "--reason", "lost").expect(0)
    finally:
        held.abandon()
    assert "lost" in mine.run("run", "logs", run).expect(0).stdout


# ------------------------------------------------------------------------------------------------------- the journal


def test_a_journal_of_a_newer_version_is_refused_untouched(mine: Bench) -> None:
    run = parked_after(mine, "preflight")["run_id"]
    dynamodb = mine.client("dynamodb")
    key = {"pk": {"S": f"RUN#{run}"}, "sk": {"S": "HEADER"}}
    header = dynamodb.get_item(TableName="portability-journal", Key=key)["Item"]
    dynamodb.put_item(TableName="portability-journal", Item=header | {"schema": {"N": "99"}})
    before = mine.inventory()
    for argv in (("status", run), ("resume", run), ("cancel", run), TO_PREMIUM):
        ran = mine.run(*argv).expect(3)
        assert ran.stderr.startswith("PORT-E307 ")
    assert mine.inventory() == before


def test_an_edited_entry_is_found_and_nothing_acts_on_the_run(mine: Bench) -> None:
    run = parked_after(mine, "preflight")["run_id"]
    mine.run("journal", "verify", run).expect(0)
    dynamodb = mine.client("dynamodb")
    key = {"pk": {"S": f"RUN#{run}"}, "sk": {"S": "E#000000000002"}}
    dynamodb.delete_item(TableName="portability-journal", Key=key)
    ran = mine.run("journal", "verify", run).expect(11)
    assert ran.stderr.startswith("PORT-E111 ")
    mine.run("resume", run).expect(11)


def test_a_run_is_exported_with_its_header_and_every_entry(mine: Bench) -> None:
    run = parked_after(mine, "preflight")["run_id"]
    lines = [json.loads(line) for line in mine.run("journal", "export", run).expect(0).stdout.splitlines()]
    assert lines[0]["header"]["run"] == run
    assert [line["entry"]["seq"] for line in lines[1:]] == list(range(1, len(lines)))
    mine.run("journal", "export", run, "--out", "run.jsonl").expect(0)
    assert len((mine.folder / "run.jsonl").read_text().splitlines()) == len(lines)
    mine.run("journal", "export", run, "--out", "../run.jsonl").expect(3)


# ------------------------------------------------------------------------------------------------- pause, cutover, soak


def test_pause_parks_the_run_of_another_process(mine: Bench) -> None:
    env = os.environ | mine.env
    argv = [sys.executable, "-m", "portability.cli.main", "--config", "estate.yaml", *TO_PREMIUM, "--wait", "soak"]
    slow = mine.estate(soak="1h")
    argv[argv.index("estate.yaml")] = str(slow)
    process = subprocess.Popen(
        argv, cwd=mine.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 90
    while "soaking" not in mine.run("status", "tenant-42", config=slow).stdout:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.5)
    asked = mine.run("run", "pause", "tenant-42", "-o", "json", config=slow).expect(0).json
    _, said = process.communicate(timeout=30)
    assert process.returncode == 7, said
    status = mine.run("status", "tenant-42", "-o", "json", config=slow).expect(0).json
    assert (status["run_id"], status["state"]) == (asked["run_id"], "soaking")
    mine.run("run", "pause", "tenant-42", config=slow).expect(3)


def test_a_postponed_cutover_waits_for_its_verb_and_then_the_whole_life_of_a_run(mine: Bench) -> None:
    parked = mine.run(*TO_PREMIUM, "--postpone-cutover", "-o", "json").expect(7).json
    run = parked["run_id"]
    assert parked["next_steps"][0] == f"portability run cutover {run}"
    assert parked["cutover"]["can_commit"] is True
    assert parked["cutover"]["blocked_by"] == []
    assert mine.run("verify", run, "-o", "json").expect(0).json["equal"] is True
    ticked = mine.run("run", "tick", run, "-o", "json").expect(7).json
    assert (ticked["state"], ticked["serving"]) == ("parked", "source"), "a scheduler cuts nothing over"

    moved = mine.run("run", "cutover", run, "-o", "json").expect(0).json
    assert (moved["state"], moved["serving"]) == ("soaking", "target")
    assert moved["cutover"]["pause_ms"] > 0
    again = mine.run("run", "cutover", run, "-o", "json").expect(0).json
    assert again["state"] == "soaking"
    assert moved["next_steps"] == [f"portability reverse {run}", f"portability complete {run} --confirm tenant-42"]
    refused = mine.run("cancel", run, "--yes").expect(64)
    assert f"portability reverse {run}" in refused.stderr
    held_to = mine.run("migrate", "tenant-42", "--to", "standard", "--yes").expect(5)
    assert "portability reverse" in held_to.stderr
    assert "portability complete" in held_to.stderr
    again = mine.run(*TO_PREMIUM, "-o", "json").expect(0).json
    assert again["run_id"] == run

    mine.run("run", "tick", run, "--for", "500ms").expect(0)
    back = mine.run("reverse", run, "-o", "json").expect(0).json
    assert (back["state"], back["serving"]) == ("reversed", "source")
    again = mine.run("reverse", run, "-o", "json").expect(0).json
    assert (again["state"], again["serving"]) == ("reversed", "source")
    forth = mine.run("run", "cutover", run, "-o", "json").expect(0).json
    assert [step["id"] for step in forth["steps"] if step["uses"] == "cut_over"] == [
        "cutover",
        "cutover.2",
        "cutover.3",
    ]

    mine.run("complete", run, "--confirm", "tenant-41").expect(64)
    mine.run("complete", run).expect(64)
    done = mine.run("complete", run, "--confirm", "tenant-42", "-o", "json").expect(0).json
    assert (done["state"], done["reversible_until"]) == ("completed", None)
    mine.run("cancel", run, "--yes").expect(64)
    mine.run("resume", run).expect(0)

    report = mine.run("report", run, "--format", "json").expect(0).json
    told = Counter(entry["fact"] for entry in report["entries"])
    assert (told["soaking"], told["reversed"]) == (2, 1), "what is said again is not done again"
    certificate = report["certificate"]
    flip = next(entry for entry in report["entries"] if entry["seq"] == certificate["journal"]["flip_seq"])
    assert (flip["fact"], flip["hash"]) == ("flipped", certificate["journal"]["flip_hash"])
    assert set(certificate["stores"]) == {"Product", "Order"}
    assert "Cutover certificate" in mine.run("report", run, "--format", "md").expect(0).stdout
    mine.run("report", run, "--format", "html", "--out", "run.html").expect(0)
    page = (mine.folder / "run.html").read_text()
    assert "<script" not in page
    assert not any(fetched in page for fetched in ("src=", "href=", "url(", "@import"))


def test_a_postponed_cutover_is_journaled_and_no_resume_forgets_it(mine: Bench) -> None:
    run = parked_after(mine, "preflight", "--postpone-cutover")["run_id"]
    for argv in (("resume", run), ("run", "tick", run), TO_PREMIUM):
        ran = mine.run(*argv).expect(7)
        assert f"portability run cutover {run}" in ran.said
    other = mine.run("cancel", run, "--yes", "-o", "json").expect(0).json
    assert other["state"] == "unwound"

    run = parked_after(mine, "verify")["run_id"]
    mine.run(*TO_PREMIUM, "--postpone-cutover").expect(7)
    assert f"portability run cutover {run}" in mine.run("resume", run).expect(7).said
    moved = mine.run("run", "cutover", run, "-o", "json").expect(0).json
    assert (moved["state"], moved["serving"]) == ("soaking", "target")


def test_verify_finds_one_wrong_item_and_repairs_it(mine: Bench) -> None:
    run = parked_after(mine, "verify")["run_id"]
    dynamodb = mine.client("dynamodb")
    item = dynamodb.scan(TableName="Order-tenant-42", Limit=1)["Items"][0]
    dynamodb.put_item(TableName="Order-tenant-42", Item={**item, "planted": {"S": "by a test"}})
    key = f"shardId={item['shardId']['S']},orderId={item['orderId']['S']}"

    looked = mine.run("verify", run, "--store", "Order", "--key", key, "-o", "json").expect(11).json
    assert looked["why"] == "differs"
    found = mine.run("verify", run).expect(11)
    assert "Order: 1 differs" in found.said
    assert "by a test" not in found.said
    assert mine.run("verify", run, "--repair", "-o", "json").expect(0).json["stores"]["Order"]["repaired"] == 1
    mine.run("verify", run, "--store", "Order", "--key", key).expect(0)
    mine.run("verify", run).expect(0)
    mine.run("verify", run, "--key", "nonsense", "--store", "Order").expect(64)
    assert mine.run("resume", run, "-o", "json").expect(0).json["serving"] == "target"


def test_what_stops_a_repair_is_no_refusal_before_any_write(mine: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    run = parked_after(mine, "verify")["run_id"]
    throttled = errors.Throttled("slow down", operation="dynamodb.BatchWriteItem", aws_code="ThrottlingException")
    down = errors.EndpointDown("no answer", next=errors.AGAIN)
    denied = errors.Unauthorised("not allowed to write", next=f"allow it, then portability verify {run} --repair")
    for stopped, exit_code, looked in ((throttled, 8, 3), (down, 8, 3), (denied, 4, 4)):

        def stop(*_: object, stopped: Exception = stopped, **__: object) -> None:
            raise stopped

        monkeypatch.setattr(compare_sides, "verify_all", stop)
        told = mine.run("verify", run, "--repair").expect(exit_code)
        assert f"{stopped.code} {stopped.what}" in told.said
        assert "Nothing was changed" not in told.said
        assert f"portability verify {run} --repair" in told.said
        mine.run("verify", run).expect(looked)
    monkeypatch.undo()
    mine.run("verify", run, "--repair").expect(0)


def test_a_sample_and_what_changed_are_compared_by_value_and_repaired(mine: Bench) -> None:
    run = parked_after(mine, "copy")["run_id"]
    mine.run("verify", run, "--mode", "recent").expect(64)  # nothing was proven yet
    mine.run(*TO_PREMIUM, "--until", "verify").expect(7)
    dynamodb = mine.client("dynamodb")
    first, other = dynamodb.query(
        TableName="Order-pooled",
        KeyConditionExpression="shardId = :one",
        ExpressionAttributeValues={":one": {"S": "tenant-42-1"}},
        Limit=2,
    )["Items"]
    dynamodb.put_item(TableName="Order-pooled", Item={**first, "changed": {"S": "by the tenant"}})
    told = mine.run("verify", run, "--mode", "recent", "-o", "json").expect(0).json
    assert (told["mode"], told["equal"], told["stores"]["Order"]["checked"]) == ("recent", True, 1)
    for mode, item in (("recent", first), ("sample", other)):
        dynamodb.put_item(TableName="Order-tenant-42", Item={**item, "planted": {"S": "by a test"}})
        found = mine.run("verify", run, "--mode", mode).expect(11)
        assert "Order: 1 differs" in found.said
        assert "by a test" not in found.said
        told = mine.run("verify", run, "--mode", mode, "--repair", "-o", "json").expect(0).json
        assert (told["mode"], told["stores"]["Order"]["repaired"]) == (mode, 1)

    moved = mine.run("resume", run, "-o", "json").expect(0).json
    assert (moved["state"], moved["serving"]) == ("soaking", "target")
    dynamodb.put_item(TableName="Order-tenant-42", Item={**other, "changed": {"S": "after the flip"}})
    told = mine.run("verify", run, "--mode", "recent", "-o", "json").expect(0).json
    assert told["stores"]["Order"]["checked"] >= 1
    dynamodb.put_item(TableName="Order-pooled", Item={**other, "planted": {"S": "by a test"}})
    mine.run("verify", run, "--mode", "recent").expect(11)


def test_one_key_is_explained_by_names_and_hashes_on_both_sides_and_in_the_channel(mine: Bench) -> None:
    run = parked_after(mine, "verify")["run_id"]
    dynamodb = mine.client("dynamodb")
    item = dynamodb.scan(TableName="Order-tenant-42", Limit=1)["Items"][0]
    key = {name: item[name] for name in ("shardId", "orderId")}
    named = ("--store", "Order", "--key", ",".join(f"{name}={value['S']}" for name, value in key.items()))
    dynamodb.put_item(
        TableName="Order-pooled", Item={**item, "ratings": {"L": [{"N": "4.50"}]}, "mine": {"S": "secret"}}
    )
    dynamodb.put_item(TableName="Order-tenant-42", Item={**item, "ratings": {"L": [{"N": "4.5"}]}})
    told = mine.run("verify", run, *named, "-o", "json").expect(11).json
    assert (told["on_origin"], told["on_destination"], told["why"]) == (True, True, "differs")
    assert (told["attributes"], told["spelt"], told["waits"]) == (["mine"], ["ratings"], [])

    with surroundings(mine.env, mine.folder), Call.begin(Asked(config=mine.folder / "estate.yaml")) as call:
        held = call.desk.journal.acquire(run, this_holder("bo@here"))
        for group in ("doubt", f"p/{item['shardId']['S']}", "canary"):
            held.park("Order.forward", group, [key])
        held.park("Order.forward", "unwritable", [{**key, "orderId": {"S": "another"}}])
        held.release()
    dynamodb.put_item(TableName="Order-pooled", Item={**item, "ratings": {"L": [{"N": "4.50"}]}})
    said = mine.run("verify", run, *named).expect(0).said
    assert "both sides hold the same" in said
    assert "equal, and only spelt differently: ratings" in said
    assert "in the channel: in doubt, parked" in said
    assert "secret" not in said
    assert "4.5" not in said
    dynamodb.delete_item(TableName="Order-tenant-42", Key=key)
    assert mine.run("verify", run, *named, "-o", "json").expect(11).json["why"] == "missing"


def slip_after_the_flip(mine: Bench) -> threading.Thread:
    """An application that, once the target serves, writes one item more to the old side: past the fence."""
    dynamodb = mine.client("dynamodb")
    item = dynamodb.query(
        TableName="Order-pooled",
        KeyConditionExpression="shardId = :one",
        ExpressionAttributeValues={":one": {"S": "tenant-42-1"}},
        Limit=1,
    )["Items"][0]

    def write() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            record = dynamodb.get_item(
                TableName="ServerlessSaaS-TenantDetails", Key={"tenantId": {"S": "tenant-42"}}, ConsistentRead=True
            )["Item"]
            if record.get("portability", {"M": {}})["M"].get("act") == {"S": "flipped"}:
                dynamodb.put_item(TableName="Order-pooled", Item={**item, "late": {"S": "by a test"}})
                return
            time.sleep(0.05)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_a_late_write_stops_the_run_and_is_overruled_only_in_so_many_words(fresh_bench: MakeBench) -> None:
    mine = fresh_bench(overrides={"fence": {"tripwire": "4s"}})
    writer = slip_after_the_flip(mine)
    stopped = mine.run(*TO_PREMIUM, "-o", "json").expect(11)
    writer.join()
    run = stopped.json["run_id"]
    assert (stopped.json["state"], stopped.json["reason"], stopped.json["serving"]) == ("parked", "mismatch", "target")
    assert f"portability verify {run}" in stopped.said

    (late,) = mine.run("verify", run, "-o", "json").expect(11).json["late_writes"]
    (one,) = late["differing"]
    assert (late["store"], late["keys"], one["why"]) == ("Order", 1, "differs")
    told = mine.run("verify", run).expect(11)
    assert f"portability verify {run} --repair --overrule 1" in told.said
    looked = mine.run("verify", run, "--store", "Order", "--key", one["key_hash"], "-o", "json").expect(11).json
    assert (looked["attributes"], looked["why"]) == (["late"], "differs")
    assert looked["origin_digest"] != looked["destination_digest"]
    assert "by a test" not in told.said + mine.run("verify", run, "--store", "Order", "--key", one["key_hash"]).said

    before = mine.inventory()
    mine.run("verify", run, "--repair").expect(64)  # nobody to ask
    mine.run("resume", run).expect(11)
    mine.run("verify", run, "--repair", "--overrule", "2").expect(64)
    after = mine.inventory()
    assert {name for name in before if before[name] != after[name]} == {"portability-journal"}
    mine.run("verify", run, "--repair", "--overrule", "1").expect(0)
    assert mine.run("status", run, "-o", "json").expect(0).json["state"] == "parked"
    assert mine.run("resume", run, "-o", "json").expect(0).json["state"] == "soaking"
    mine.run("verify", run).expect(0)
    found = mine.client("dynamodb").scan(TableName="Order-pooled", ConsistentRead=True)["Items"]
    assert not [item for item in found if "late" in item]
    mine.run("verify", run, "--repair", "--overrule", "1").expect(64)
    journal = json.dumps(mine.run("journal", "show", run, "-o", "json").expect(0).json)
    assert "overruled" in journal
    assert "by a test" not in journal
