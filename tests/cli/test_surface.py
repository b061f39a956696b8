"""What the command line looks like before it does anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from portability.cli.exit_codes import TABLE
from portability.cli.main import ORDER
from tests.cli import bench

HEAVY = ("boto3", "botocore", "structlog", "tenacity", "yaml", "moto", "msgspec")
HELPS = (
    (),
    *((verb,) for verb in ORDER),
    *(("run", verb) for verb in ("list", "logs", "pause", "tune", "cutover", "tick")),
    *(("journal", verb) for verb in ("show", "export", "verify")),
    *(("lock", verb) for verb in ("show", "break")),
    *(("sandbox", verb) for verb in ("up", "down", "status", "seed", "reset")),
)


def cli(tmp_path: Path, *argv: str, **env: str) -> bench.Ran:
    return bench.run(list(argv), env, tmp_path)


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from portability.cli.main import run_cli; code = run_cli(['--help']);"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules];"
        "print(heavy, file=sys.stderr); sys.exit(bool(heavy) or code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: portability" in done.stdout


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_every_verb_has_help_with_examples(words: tuple[str, ...], tmp_path: Path) -> None:
    helped = cli(tmp_path, *words, "--help").expect(0)
    assert f"Usage: portability{''.join(f' {word}' for word in words)}" in helped.stdout
    assert helped.stderr == ""
    examples = helped.stdout.partition("Examples:")[2] if words else helped.stdout.partition("First look:")[2]
    assert f"portability {' '.join(words)}" in examples


def test_help_shows_the_verbs_in_the_order_of_their_use(tmp_path: Path) -> None:
    listed = cli(tmp_path, "--help").stdout.partition("Commands:")[2].split("\n")
    names = [line.split()[0] for line in listed if line.startswith("  ") and not line.startswith("   ")]
    assert names == [name for name in ORDER if name in names]
    assert {"demo", "init", "doctor", "plan", "migrate", "resume", "status", "verify", "report"} <= set(names[:12])


def test_no_arguments_at_all_is_help_and_no_error(tmp_path: Path) -> None:
    assert cli(tmp_path).expect(0).stdout == cli(tmp_path, "--help").stdout


@pytest.mark.parametrize(
    "argv",
    (
        ["-o", "json", "explain", "PORT-E105"],
        ["explain", "-o", "json", "PORT-E105"],
        ["explain", "PORT-E105", "-o", "json"],
        ["explain", "PORT-E105", "--output=json"],
    ),
)
def test_a_global_option_works_before_and_after_the_verb(argv: list[str], tmp_path: Path) -> None:
    assert cli(tmp_path, *argv).expect(0).json["exit_code"] == 5


def test_the_later_of_two_global_options_wins(tmp_path: Path) -> None:
    assert cli(tmp_path, "-o", "json", "explain", "e105", "-o", "human").expect(0).stdout.startswith("PORT-E105")


def test_global_options_work_inside_a_group(tmp_path: Path) -> None:
    assert cli(tmp_path, "sandbox", "-o", "json", "status").expect(0).json == {"version": 1, "running": False}


def test_a_global_option_is_not_taken_out_of_another_options_value(tmp_path: Path) -> None:
    refused = cli(tmp_path, "migrate", "tenant-42", "--to", "premium", "--reason", "-v", "--yes").expect(3)
    assert "estate.yaml" in refused.said


@pytest.mark.parametrize(
    ("argv", "said"),
    (
        (["stat"], "Did you mean 'status'"),
        (["plan"], "Missing argument"),
        (["plan", "tenant-42"], "--to is missing"),
        (["plan", "tenant-42", "--bogus"], "--bogus"),
        (["plan", "tenant-42", "premium", "--to", "premium"], "one tenant at a time"),
        (["cancel"], "Missing argument"),
        (["migrate", "tenant-42"], "--to is missing"),
        (["migrate", "tenant-42", "--to", "premium", "--confirm", "tenant-41"], "--confirm says 'tenant-41'"),
        (["-o", "xml", "explain"], "xml"),
        (["completion", "tcsh"], "bash, zsh, fish"),
    ),
)
def test_a_usage_mistake_is_exit_64_and_names_the_next_command(argv: list[str], said: str, tmp_path: Path) -> None:
    refused = cli(tmp_path, *argv).expect(64)
    assert said in refused.said
    assert refused.stdout == ""
    assert refused.stderr.startswith("PORT-E064 ")
    assert "Nothing was changed." in refused.stderr
    assert "Next: portability" in refused.stderr or "Next: --confirm" in refused.stderr


def test_a_usage_mistake_for_a_program_is_one_json_object_on_stderr(tmp_path: Path) -> None:
    refused = cli(tmp_path, "plan", "tenant-42", "-o", "json").expect(64)
    told = json.loads(refused.stderr)
    assert told["error"]["code"] == "PORT-E064"
    assert told["error"]["exit"] == 64
    assert set(told["error"]) == {"code", "what", "changed", "next", "exit"}


def test_an_unparsable_line_is_json_too_where_json_was_asked_for(tmp_path: Path) -> None:
    refused = cli(tmp_path, "nosuch", "-o", "json").expect(64)
    assert json.loads(refused.stderr)["error"]["exit"] == 64


def test_the_exit_codes_are_the_documented_ones(tmp_path: Path) -> None:
    assert set(TABLE) == {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 64, 129, 130, 143}
    rows = cli(tmp_path, "explain", "exit-codes", "-o", "json").expect(0).json
    assert [row["exit"] for row in rows] == list(TABLE)


@pytest.mark.parametrize("shell", ("bash", "zsh", "fish", "powershell"))
def test_a_completion_script_is_printed(shell: str, tmp_path: Path) -> None:
    assert "_PORTABILITY_COMPLETE" in cli(tmp_path, "completion", shell).expect(0).stdout


def test_completion_completes_verbs(tmp_path: Path) -> None:
    env = os.environ | {"_PORTABILITY_COMPLETE": "complete_bash", "COMP_WORDS": "portability mig", "COMP_CWORD": "1"}
    argv = [sys.executable, "-m", "portability.cli.main"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["migrate"]


def test_the_version_is_printed(tmp_path: Path) -> None:
    assert cli(tmp_path, "--version").expect(0).stdout.startswith("portability ")
