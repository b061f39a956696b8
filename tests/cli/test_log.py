"""Logs carry names, ids, counts and hashes; what looks like a secret or a person is taken out."""

from __future__ import annotations

import io
import json

import structlog

from portability.cli.log import HIDDEN, configure, redact


def test_secrets_addresses_and_item_content_are_redacted() -> None:
    event = redact(
        None,
        "info",
        {
            "event": "user anna@example.com moved",
            "password": "x",
            "apiKeyValue": "x",
            "api_key": "x",
            "session_token": "x",
            "item": {"a": 1},
            "nested": {"secret": "x", "count": 3, "who": ["bo@example.org"]},
            "tenant": "tenant-42",
            "items": 12,
            "run": "r-1",
        },
    )
    text = json.dumps(event)
    assert "example" not in text
    assert '"x"' not in text.replace('"apiKeyValue": "x"', "")
    assert event["nested"]["count"] == 3
    assert (event["tenant"], event["items"], event["run"]) == ("tenant-42", 12, "r-1")
    assert event["password"] == HIDDEN


def test_logs_are_lines_for_people_and_json_for_programs_and_quiet_unless_asked() -> None:
    for machine in (False, True):
        out = io.StringIO()
        configure(out, level=0, machine=machine)
        structlog.get_logger().info("hidden")
        structlog.get_logger().warning("shown", who="anna@example.com")
        lines = out.getvalue().splitlines()
        assert len(lines) == 1
        assert HIDDEN in lines[0]
        assert (lines[0][0] == "{") is machine
    out = io.StringIO()
    configure(out, level=1, machine=True)
    structlog.get_logger().info("shown")
    assert json.loads(out.getvalue())["event"] == "shown"
