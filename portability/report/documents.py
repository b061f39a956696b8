"""A run as a document: Markdown, self-contained HTML, or JSON. Everything that came from data is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from portability.model.run import Entry
from portability.report.certificate import certificate, certificate_line
from portability.report.entries import entry_object, entry_text
from portability.report.status_object import Seen
from portability.report.text import count, moment, plain, size, span

Table = tuple[Sequence[str], list[Sequence[str]]]


def report_object(seen: Seen, entries: list[Entry]) -> dict[str, Any]:
    """The run, its certificate and its entries as plain data."""
    header = seen.view.header
    return {
        "version": 1,
        "run": seen.value,
        "operator": header.operator,
        "reason": header.reason,
        "change_ref": header.change_ref,
        "begun": header.at,
        "tool": header.version,
        "plan": header.plan.digest,
        "certificate": certificate(seen.view, seen.lease, entries),
        "entries": [entry_object(entry) for entry in entries],
    }


def _sections(seen: Seen, entries: list[Entry]) -> tuple[str, list[tuple[str, Table | str]]]:
    """The title, and each section's heading with a table or a paragraph; nothing is escaped yet."""
    value, header = seen.value, seen.view.header
    facts: list[Sequence[str]] = [
        ("run", header.run),
        ("tenant", header.tenant),
        ("move", f"{value['from']} -> {value['to']}"),
        ("state", f"{value['state']} ({value['reason']})" if value["reason"] else value["state"]),
        ("serving", value["serving"]),
        ("begun", f"{moment(header.at)} by {header.operator}"),
        ("reason", header.reason or "-"),
        ("change reference", header.change_ref or "-"),
        ("plan", header.plan.digest),
    ]
    steps: list[Sequence[str]] = [
        (
            step["id"],
            step["uses"],
            step["status"],
            "-" if step["seconds"] is None else span(step["seconds"]),
            str(step["attempts"]),
        )
        for step in value["steps"]
    ]
    data: list[Sequence[str]] = [
        (
            store["store"],
            "-" if store["items"] is None else count(store["items"]),
            "-" if store["bytes"] is None else size(store["bytes"]),
            *(
                "-" if store[name] is None else count(store[name])
                for name in ("synced_keys", "parked_keys", "doubtful_keys", "repaired_keys")
            ),
        )
        for store in value["data"]
    ]
    proof = certificate(seen.view, seen.lease, entries)
    sections: list[tuple[str, Table | str]] = [
        ("Run", (("", ""), facts)),
        ("Cutover certificate", "Nothing was cut over." if proof is None else certificate_line(proof)),
    ]
    if proof is not None:
        sections.append(("Proof", (("", ""), _proof(proof))))
    sections += [
        ("Steps", (("step", "uses", "status", "took", "attempts"), steps)),
        ("Data", (("store", "items", "bytes", "synced", "parked", "doubtful", "repaired"), data)),
        ("Journal", (("entry",), [(f"{entry.seq} {entry.hash[:12]} {entry_text(entry)}",) for entry in entries])),
    ]
    return f"Run {header.run}", sections


def _proof(proof: dict[str, Any]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [
        ("serving", str(proof["serving"])),
        ("flipped", moment(proof["flipped_at"])),
        *(
            (name, "-" if proof[name] is None else str(proof[name]))
            for name in ("fence", "pause_ms", "fence_ms", "drain_ms", "verify_ms")
        ),
        ("keys compared inside the fence", str(proof["compared_inside_the_fence"])),
        ("late events", "-" if proof["late_events"] is None else str(proof["late_events"])),
    ]
    rows += [
        (f"{name}: items, digest of both sides", f"{count(one['items'])}, {one['digest']}")
        for name, one in proof["stores"].items()
    ]
    journal = proof["journal"]
    rows.append(
        (
            "journal: flip, head",
            f"{journal['flip_seq']} {journal['flip_hash']}, {journal['head_seq']} {journal['head_hash']}",
        )
    )
    return rows


# ------------------------------------------------------------------------------------------------------------- markdown

_MARKS = re.compile(r"([\\`*_\[\]<>|~#])")


def _md(text: str) -> str:
    return _MARKS.sub(r"\\\1", plain(text))


def report_markdown(seen: Seen, entries: list[Entry]) -> str:
    """The report as Markdown."""
    title, sections = _sections(seen, entries)
    lines = [f"# {_md(title)}", ""]
    for heading, body in sections:
        lines += [f"## {_md(heading)}", ""]
        if isinstance(body, str):
            lines += [_md(body), ""]
            continue
        head, rows = body
        lines += ["| " + " | ".join(_md(cell) for cell in head) + " |", "|" + " --- |" * len(head)]
        lines += ["| " + " | ".join(_md(cell) for cell in row) + " |" for row in rows]
        lines.append("")
    return "\n".join(lines)


# ----------------------------------------------------------------------------------------------------------------- html

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8882}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{font-weight:600}tr:hover{background:var(--soft)}
td{font-variant-numeric:tabular-nums}code,.mono td{font:13px/1.5 ui-monospace,monospace}
"""


def _tag(text: str) -> str:
    return html.escape(plain(text), quote=True)


def report_html(seen: Seen, entries: list[Entry]) -> str:
    """The report as one HTML file: no script, nothing fetched."""
    title, sections = _sections(seen, entries)
    body = [f"<h1>{_tag(title)}</h1>"]
    for heading, content in sections:
        body.append(f"<h2>{_tag(heading)}</h2>")
        if isinstance(content, str):
            body.append(f"<p>{_tag(content)}</p>")
            continue
        head, rows = content
        mono = ' class="mono"' if heading in ("Journal", "Proof") else ""
        columns = "".join(f'<th scope="col">{_tag(cell)}</th>' for cell in head)
        heads = f"<thead><tr>{columns}</tr></thead>" if any(head) else ""
        cells = "".join(
            "<tr>" + "".join(_cell(cell, header=not any(head) and at == 0) for at, cell in enumerate(row)) + "</tr>"
            for row in rows
        )
        body.append(f'<div class="wide"><table{mono}>{heads}<tbody>{cells}</tbody></table></div>')
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_tag(title)}</title><style>{_STYLE}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _cell(text: str, *, header: bool) -> str:
    return f'<th scope="row">{_tag(text)}</th>' if header else f"<td>{_tag(text)}</td>"
