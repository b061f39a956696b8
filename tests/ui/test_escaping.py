"""What came from data cannot steer a terminal, a page or a document."""

from __future__ import annotations

import io

from rich.console import Console

from portability import errors
from portability.cli.screen import error_text
from portability.report import documents
from portability.report.lines import Lines
from portability.report.live import Live
from portability.report.preview import preview_text
from portability.report.status_object import seen
from portability.report.status_text import status_text
from portability.report.text import plain
from tests.ui import samples

BAD = samples.ESCAPES
CONTROLS = [chr(number) for number in (*range(32), 0x7F, 0x9B, 0x202E, 0x2066, 0xFEFF, 0x2028) if chr(number) != "\n"]


def harmless(text: str) -> bool:
    return not any(control in text for control in CONTROLS)


def test_control_and_format_characters_are_shown_not_sent() -> None:
    assert harmless(plain("".join(CONTROLS)))
    assert plain("ténant 日本 ✓ 42") == "ténant 日本 ✓ 42"
    assert plain("a\nb") == "a\\nb"
    assert plain("a\nb", lines=True) == "a\nb"


def test_a_preview_is_harmless() -> None:
    changes = [samples.change("+", BAD, BAD, BAD)]
    assert harmless(preview_text(samples.plan(changes=changes), samples.AROUND))


def test_a_status_an_error_and_progress_are_harmless() -> None:
    view, _ = samples.view(("", "parked", {"reason": "gate", "what": BAD}), of=samples.header(reason=BAD))
    status = seen(view=view, lease=samples.lease(held=False), cursors={}, parked={}, now=samples.BEGAN)
    assert harmless(status_text(status))
    assert harmless(error_text(errors.UsageMistake(BAD, next=BAD)))
    told: list[str] = []
    lines = Lines(told.append, view)
    lines("copied", run=samples.RUN, step="copy", store=BAD, unit="u", items=1, bytes=1)
    lines("step_failed", run=samples.RUN, step="copy", error=BAD)
    lines("something", run=samples.RUN, step="verify", why=BAD)
    assert told
    assert all(harmless(line) for line in told)


def test_the_live_display_neither_obeys_markup_nor_control_characters() -> None:
    view, _ = samples.view()
    live = Live(view)
    live("step_started", run=samples.RUN, step="copy", uses="copy_data")
    live("copied", run=samples.RUN, step="copy", store=BAD, unit="u", items=5, bytes=5)
    live("step_failed", run=samples.RUN, step="verify", error=BAD)
    out = io.StringIO()
    Console(file=out, width=200, no_color=True).print(live.render())
    assert harmless(out.getvalue())
    assert "[bold]markup[/bold]" in out.getvalue()


def test_documents_escape_what_came_from_data() -> None:
    view, entries = samples.view(("", "parked", {"reason": "gate", "what": BAD}), of=samples.header(reason=BAD))
    look = seen(view=view, lease=samples.lease(held=False), cursors={}, parked={}, now=samples.BEGAN)
    page = documents.report_html(look, entries)
    assert harmless(page)
    assert "<b>tag</b>" not in page
    assert "&lt;b&gt;tag&lt;/b&gt;" in page
    text = documents.report_markdown(look, entries)
    assert harmless(text)
    assert "<b>" not in text
    assert "\\*star\\*" in text
    assert "\\|" in text
