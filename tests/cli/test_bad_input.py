"""One test per bad input: what is said, which exit code, and that nothing was written anywhere."""

from __future__ import annotations

import json
import re
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.aws.stub import http, refusal, serving
from tests.cli.bench import Bench

pytestmark = pytest.mark.usefixtures("unchanged")

TO_PREMIUM = ("migrate", "tenant-42", "--to", "premium", "--yes")
PLAN = ("plan", "tenant-42", "--to", "premium")


def refused(ran: Any, code: str, exit_: int) -> Any:
    ran.expect(exit_)
    assert ran.stderr.rstrip().split("\n")[0].startswith(f"{code} "), ran.stderr
    assert "Nothing was changed." in ran.stderr
    assert ran.stdout == ""
    return ran


@pytest.fixture(params=(PLAN, TO_PREMIUM), ids=("plan", "migrate"))
def verb(request: pytest.FixtureRequest) -> tuple[str, ...]:
    argv: tuple[str, ...] = request.param
    return argv


# ------------------------------------------------------------------------------------------------------ names and ids


def test_an_unknown_tenant_is_refused(bench: Bench, verb: tuple[str, ...]) -> None:
    ran = refused(bench.run(verb[0], "nobody", *verb[2:]), "PORT-E302", 3)
    assert "tenant nobody is not in the directory ServerlessSaaS-TenantDetails" in ran.said


def test_an_unknown_tier_is_refused_with_what_was_probably_meant(bench: Bench, verb: tuple[str, ...]) -> None:
    ran = refused(bench.run(*verb[:2], "--to", "premum", *verb[4:]), "PORT-E302", 3)
    assert "premium" in ran.said


def test_an_unknown_placement_is_refused(bench: Bench, verb: tuple[str, ...]) -> None:
    ran = refused(bench.run(*verb[:2], "--to", "basic@pool-z", *verb[4:]), "PORT-E302", 3)
    assert "pool-z" in ran.said


def test_a_tenant_that_is_there_already_is_exit_0_and_no_run(bench: Bench) -> None:
    assert "nothing to do" in bench.run("plan", "tenant-42", "--to", "basic").expect(0).stdout
    assert bench.run("plan", "tenant-42", "--to", "basic", "--detailed-exitcode").exit == 0
    moved = bench.run("migrate", "tenant-42", "--to", "basic", "--yes", "-o", "json").expect(0)
    assert (moved.json["run_id"], moved.json["state"]) == (None, "nothing_to_do")


def test_a_pair_of_models_without_a_recipe_is_refused(bench: Bench, verb: tuple[str, ...]) -> None:
    config = bench.estate(tiers={"premium": {"model": "bridge"}})
    ran = refused(bench.run(*verb, config=config), "PORT-E303", 3)
    assert "from pool to bridge" in ran.said


@pytest.mark.parametrize(
    "tenant", ("", "a b", "tenant-42\n", "x" * 129, "tenant/42", "\x1b[31mred", "[bold]x[/bold]", "ténant", "a;rm -rf")
)
def test_an_illegal_tenant_id_is_refused_and_shown_harmlessly(bench: Bench, verb: tuple[str, ...], tenant: str) -> None:
    ran = refused(bench.run(verb[0], tenant, *verb[2:]), "PORT-E064", 64)
    assert "is not a tenant id" in ran.said
    assert "\x1b" not in ran.stderr


# --------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("edit", "said"),
    (
        (lambda text: text + "\naccounts: [\n", "estate.yaml:"),
        (lambda text: text + "\nsoak: 12h\n", "'soak' is set twice"),
        (lambda text: text.replace("soak:", "soka:"), "did you mean 'soak'"),
        (lambda text: text.replace("kind: Estate", "kind: MigrationPlan"), "an Estate is needed here"),
        (lambda _: "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n", "estate.yaml:"),
        (lambda text: text + "# " + "y" * 2_000_000, "estate.yaml:"),
        (lambda _: "!!python/object/apply:os.system ['true']\n", "estate.yaml:"),
        (lambda _: "", "estate.yaml:"),
    ),
    ids=("malformed", "duplicate key", "unknown key", "other kind", "aliases", "oversized", "python tag", "empty"),
)
def test_a_bad_estate_file_is_refused_with_file_and_line(
    bench: Bench, tmp_path: Path, edit: Callable[[str], str], said: str
) -> None:
    config = tmp_path / "estate.yaml"
    config.write_text(edit((bench.folder / "estate.yaml").read_text()))
    ran = refused(bench.run(*TO_PREMIUM, config=config), "PORT-E301", 3)
    assert said in ran.said
    assert re.search(r"estate\.yaml:[0-9]+: ", ran.said)
    checked = bench.run("validate", str(config)).expect(3)
    assert f"{config}:" in checked.stdout


def test_a_missing_estate_file_is_refused(bench: Bench, tmp_path: Path, verb: tuple[str, ...]) -> None:
    ran = refused(bench.run(*verb, config=tmp_path / "none.yaml"), "PORT-E301", 3)
    assert "No such file" in ran.said
    assert "portability init" in ran.stderr


def test_validate_lists_every_problem_of_every_file(bench: Bench, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text("apiVersion: portability/v1\nkind: Estate\nsoka: 24h\ntires: {}\n")
    told = bench.run("validate", str(tmp_path), "-o", "json").expect(3).json
    assert {(Path(one["file"]).name, one["line"]) for one in told["problems"]} >= {
        *(("one.yaml", line) for line in (3, 4)),
        *(("two.yaml", line) for line in (3, 4)),
    }


def test_a_plan_that_cannot_be_written_is_refused(bench: Bench, tmp_path: Path) -> None:
    for out in ("/dev/null", str(tmp_path / "missing" / "x.plan"), str(tmp_path)):
        ran = bench.run(*PLAN, "--out", out).expect(3)
        assert "PORT-E309" in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def little_room() -> Iterator[None]:
    """No file may grow beyond 2,000 bytes: what a full disk does to a plan."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("little_room")
def test_a_plan_for_which_there_is_no_room_leaves_the_old_file_as_it_was(bench: Bench, tmp_path: Path) -> None:
    out = tmp_path / "tenant-42.plan"
    out.write_text("the old one")
    ran = bench.run(*PLAN, "--out", str(out)).expect(3)
    assert "PORT-E309" in ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_text() == "the old one"


def test_events_that_cannot_be_written_are_refused_before_a_run(bench: Bench, tmp_path: Path) -> None:
    refused(bench.run(*TO_PREMIUM, "--events", str(tmp_path / "missing" / "e.jsonl")), "PORT-E309", 3)


# ------------------------------------------------------------------------------------------- accounts and credentials


def test_another_account_is_refused(bench: Bench, verb: tuple[str, ...]) -> None:
    config = bench.estate(accounts={"allowed": ["999999999999"]})
    ran = refused(bench.run(*verb, config=config), "PORT-E304", 3)
    assert "account 123456789012" in ran.said
    assert "999999999999" in ran.said


def test_another_region_is_refused(bench: Bench, verb: tuple[str, ...]) -> None:
    ran = refused(bench.run(*verb, "--region", "eu-west-1"), "PORT-E304", 3)
    assert "eu-west-1" in ran.said


def test_no_credentials_are_exit_4(bench: Bench, verb: tuple[str, ...]) -> None:
    bare = Bench({name: text for name, text in bench.env.items() if "KEY" not in name}, bench.folder)
    ran = refused(bare.run(*verb), "PORT-E400", 4)
    assert "aws configure or aws sso login), then the same command again" in ran.said
    assert "resume" not in ran.said


def test_an_unknown_profile_is_exit_4(bench: Bench, verb: tuple[str, ...]) -> None:
    ran = refused(bench.run(*verb, "--profile", "nosuch"), "PORT-E400", 4)
    assert "nosuch" in ran.said


def test_expired_credentials_are_exit_4(bench: Bench, verb: tuple[str, ...]) -> None:
    said = b"<ErrorResponse><Error><Code>ExpiredToken</Code><Message>expired</Message></Error></ErrorResponse>"
    with serving(http(403, said, crc=False)) as stub:
        ran = refused(bench.run(*verb, AWS_ENDPOINT_URL_STS=stub.endpoint), "PORT-E400", 4)
    assert "expired" in ran.said


def test_a_missing_permission_is_exit_4_and_names_it(bench: Bench, verb: tuple[str, ...]) -> None:
    with serving(refusal("AccessDeniedException", "not authorized")) as stub:
        ran = refused(bench.run(*verb, AWS_ENDPOINT_URL_DYNAMODB=stub.endpoint), "PORT-E400", 4)
    assert "dynamodb:" in ran.said


# ---------------------------------------------------------------------------------------------------------- the engine


def test_an_endpoint_that_is_down_is_exit_3(bench: Bench, verb: tuple[str, ...]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{closed.getsockname()[1]}"
        refused(bench.run(*verb, AWS_ENDPOINT_URL_DYNAMODB=down), "PORT-E308", 3)
        refused(bench.run(*verb, AWS_ENDPOINT_URL=down, AWS_ENDPOINT_URL_STS=down), "PORT-E308", 3)


def test_throttling_before_a_run_is_exit_3(bench: Bench, verb: tuple[str, ...]) -> None:
    with serving(refusal("ProvisionedThroughputExceededException")) as stub:
        ran = bench.run(*verb, AWS_ENDPOINT_URL_DYNAMODB=stub.endpoint).expect(3)
    assert "PORT-E205" in ran.stderr
    assert len(stub.heard) <= 2 * 2


# ------------------------------------------------------------------------------------------------------------ preflight


def blocked(bench: Bench, config: Path | None, said: str, **env: str) -> None:
    planned = bench.run(*PLAN, config=config, **env).expect(3)
    assert said in " ".join(planned.stdout.split()), planned.stdout
    moved = bench.run(*TO_PREMIUM, config=config, **env)
    refused(moved, "PORT-E305", 3)
    assert said in moved.said
    looked = bench.run("doctor", "tenant-42", "--to", "premium", config=config, **env).expect(3)
    assert said in looked.said


def test_a_missing_journal_table_says_init(bench: Bench) -> None:
    config = bench.estate(journal={"table": "no-such-journal"})
    planned = bench.run(*PLAN, config=config).expect(3)
    assert "portability init" in planned.stdout
    moved = bench.run(*TO_PREMIUM, config=config).expect(3)
    assert "PORT-E306" in moved.stderr
    assert "portability init" in moved.stderr
    assert "portability init" in bench.run("doctor", config=config).expect(3).stdout


@pytest.fixture
def target_of_somebody(bench: Bench) -> Iterator[None]:
    dynamodb = bench.client("dynamodb")
    described = dynamodb.describe_table(TableName="Order-pooled")["Table"]
    made = {name: described[name] for name in ("KeySchema", "AttributeDefinitions")}
    indexes = [
        {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
        for index in described.get("GlobalSecondaryIndexes", [])
    ]
    more = {"GlobalSecondaryIndexes": indexes} if indexes else {}
    dynamodb.create_table(TableName="Order-tenant-42", BillingMode="PAY_PER_REQUEST", **made, **more)
    yield
    dynamodb.delete_table(TableName="Order-tenant-42")


@pytest.mark.usefixtures("target_of_somebody")
def test_a_target_that_exists_and_is_not_ours_is_refused(bench: Bench) -> None:
    before = bench.inventory()
    blocked(bench, None, "table Order-tenant-42 is there and was not made by a run of this tool")
    assert bench.inventory() == before


@pytest.fixture
def item_outside(bench: Bench) -> Iterator[None]:
    dynamodb = bench.client("dynamodb")
    key = {"shardId": {"S": "tenant-42-11"}, "orderId": {"S": "o-outside"}}
    dynamodb.put_item(TableName="Order-pooled", Item=key)
    yield
    dynamodb.delete_item(TableName="Order-pooled", Key=key)


@pytest.mark.usefixtures("item_outside")
def test_items_outside_the_suffix_range_are_refused(bench: Bench) -> None:
    blocked(bench, None, "Order-pooled has items of suffix 11, outside the range [1, 10]")


def test_an_undeclared_consumer_is_refused_and_a_declared_one_is_not(bench: Bench) -> None:
    arn = bench.client("dynamodb").describe_table(TableName="Order-pooled")["Table"]["TableArn"]
    mapping = {
        "UUID": "1",
        "EventSourceArn": f"{arn}/stream/2024",
        "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:search-index",
        "State": "Enabled",
    }
    with serving(http(200, {"EventSourceMappings": [mapping]}, crc=False)) as stub:
        env = {"AWS_ENDPOINT_URL_LAMBDA": stub.endpoint}
        blocked(bench, None, "search-index reads the changes of Order-pooled and is not declared", **env)
        declared = {"consumers": [{"name": "search-index", "on_move": "tolerate"}]}
        config = bench.estate(stores={"Order": declared})
        assert "search-index" in bench.run(*PLAN, config=config, **env).expect(0).stdout


def test_a_fence_that_does_not_fit_into_the_pause_is_refused(bench: Bench, verb: tuple[str, ...]) -> None:
    ran = refused(bench.run(*verb, config=bench.estate(fence={"effective_within": "90s"})), "PORT-E301", 3)
    assert "fence.freeze_max" in ran.said


def test_a_fence_that_closes_no_write_in_flight_is_refused(bench: Bench, verb: tuple[str, ...]) -> None:
    config = bench.estate(fence={"use": ["directory_flag"], "freeze_max": "60s"})
    ran = refused(bench.run(*verb, config=config), "PORT-E301", 3)
    assert "max_in_flight" in ran.said


@pytest.fixture
def other_stream(bench: Bench) -> Iterator[None]:
    dynamodb = bench.client("dynamodb")
    wanted = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    dynamodb.update_table(TableName="Order-pooled", StreamSpecification=wanted)
    yield
    dynamodb.update_table(TableName="Order-pooled", StreamSpecification={"StreamEnabled": False})


@pytest.mark.usefixtures("other_stream")
def test_a_stream_of_another_kind_is_used_as_it_is(bench: Bench) -> None:
    assert "~ stream Order-pooled" not in " ".join(bench.run(*PLAN).expect(0).stdout.split())
    assert "carries NEW_IMAGE; its keys are enough" in bench.run("doctor", "tenant-42").expect(0).said


# ------------------------------------------------------------------------------------------------------- confirmation


@pytest.mark.parametrize("extra", ([], ["--no-input"], ["-o", "json"]), ids=("no terminal", "no input", "json"))
def test_without_a_confirmation_nothing_begins(bench: Bench, extra: list[str]) -> None:
    ran = bench.run("migrate", "tenant-42", "--to", "premium", *extra).expect(64)
    assert "--confirm tenant-42" in ran.stderr
    assert ran.stdout == ""


def test_until_must_name_a_step(bench: Bench) -> None:
    ran = refused(bench.run(*TO_PREMIUM, "--until", "copy-data"), "PORT-E064", 64)
    assert "one of: preflight, identity" in ran.said


def test_a_lock_timeout_must_be_a_duration(bench: Bench) -> None:
    refused(bench.run(*TO_PREMIUM, "--lock-timeout", "soon"), "PORT-E064", 64)


def test_a_dry_run_is_the_plans_preview(bench: Bench) -> None:
    preview = bench.run(*PLAN).expect(0).stdout
    assert bench.run("migrate", "tenant-42", "--to", "premium", "--dry-run").expect(0).stdout == preview
    assert "mutating calls made: 0" in preview


# ------------------------------------------------------------------------------------------------------------- runs


@pytest.mark.parametrize("verb", ("status", "resume", "cancel", "reverse", "verify", "report"))
def test_a_tenant_without_a_run_is_exit_3(bench: Bench, verb: str) -> None:
    refused(bench.run(verb, "tenant-1"), "PORT-E302", 3)


@pytest.mark.parametrize("verb", ("status", "resume", "cancel", "reverse", "complete", "report"))
def test_a_run_that_does_not_exist_is_exit_3(bench: Bench, verb: str) -> None:
    refused(bench.run(verb, "r-01J8ZZZZZZZZZZZZZZZZZZZZZZ"), "PORT-E302", 3)


def test_resume_without_any_run_is_exit_64(bench: Bench) -> None:
    ran = refused(bench.run("resume"), "PORT-E064", 64)
    assert "no run is open" in ran.said


def test_status_without_any_run_says_so(bench: Bench) -> None:
    assert bench.run("status").expect(0).stdout == "no runs\n"
    assert bench.run("status", "-o", "json").expect(0).json == {"version": 1, "runs": []}


def test_errors_are_one_json_object_where_a_program_reads(bench: Bench) -> None:
    ran = bench.run("plan", "nobody", "--to", "premium", "-o", "json").expect(3)
    assert ran.stdout == ""
    told = json.loads(ran.stderr.rstrip().split("\n")[-1])["error"]
    assert (told["code"], told["exit"], told["changed"]) == ("PORT-E302", 3, "Nothing was changed.")
