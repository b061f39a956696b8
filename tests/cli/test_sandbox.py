"""The sandbox verbs: a server of one's own, and never anybody else's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.cli import bench


def taken_by_a_shell(printed: str) -> dict[str, str]:
    """What a shell's environment has of AWS after `eval "$printed"`."""
    argv = ["/bin/sh", "-c", 'eval "$1" && exec env', "sh", printed]
    told = subprocess.run(argv, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in told.splitlines() if line.startswith("AWS_"))


def up_object(ran: bench.Ran) -> dict[str, str]:
    environment: dict[str, str] = ran.expect(0).json["environment"]
    return environment


ENV = {"AWS_EC2_METADATA_DISABLED": "true"}


def test_a_sandbox_goes_up_is_seeded_told_of_and_goes_down(tmp_path: Path) -> None:
    def sandbox(*argv: str) -> bench.Ran:
        return bench.run(["sandbox", *argv], ENV, tmp_path)

    assert sandbox("status", "-o", "json").expect(0).json["running"] is False
    sandbox("seed").expect(3)
    up = sandbox("up").expect(0)
    try:
        exports = sandbox("up", "--export").expect(0)
        assert all(line.startswith("export ") for line in exports.stdout.splitlines())
        assert exports.stderr == ""
        evaluated = [taken_by_a_shell(printed) for printed in (up.stdout, exports.stdout)]
        assert evaluated[0] == evaluated[1] == up_object(sandbox("up", "-o", "json"))
        assert evaluated[0]["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
        assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"} <= set(evaluated[0])
        assert sandbox("up").expect(0).stdout == up.stdout
        argv = ("seed", "--tenants", "2", "--items-per-tenant", "4", "--tenant", "tenant-42", "--items", "10", "--json")
        seeded = sandbox(*argv).expect(0).json
        assert sum(seeded["items"][store]["tenant-42"] for store in seeded["items"]) == 10
        assert sandbox(*argv).expect(0).json["items"] == seeded["items"]
        assert sandbox("reset", "-o", "json").expect(0).json["tables"] > 0
        pid = sandbox("status", "-o", "json").expect(0).json["pid"]
    finally:
        sandbox("down").expect(0)
    assert not Path(f"/proc/{pid}").exists() or os.waitpid(pid, os.WNOHANG)
    assert sandbox("down").expect(0).stdout == "no server ran here\n"


def test_only_loopback_endpoints_are_ever_seeded_or_reset(tmp_path: Path) -> None:
    env = ENV | {"AWS_ENDPOINT_URL": "https://dynamodb.us-east-1.amazonaws.com", "AWS_REGION": "us-east-1"}
    env |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    for verb in ("seed", "reset"):
        refused = bench.run(["sandbox", verb], env, tmp_path).expect(3)
        assert "talks to this host only" in refused.said
