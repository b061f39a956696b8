"""Write docs/reference/ from the sources: field comments, types, docstrings, the error tree.

`python docs/generate.py` writes the pages, `--check` fails where one is not what the sources say.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import enum
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from portability import errors, testing  # noqa: E402 - found from the source tree this script stands in
from portability.cli.exit_codes import TABLE  # noqa: E402
from portability.engine import gates  # noqa: E402
from portability.model.estate import Estate  # noqa: E402
from portability.model.recipe import Recipe  # noqa: E402
from portability.report.error_pages import every_page  # noqa: E402
from portability.steps import catalog  # noqa: E402

WIDTH = 120
PAGES = ROOT / "docs" / "reference"
NOTE = "<!-- Written by docs/generate.py from the sources; change those, then run it. -->"
_PLAIN: dict[object, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    type(None): "nothing",
}
_PHASES = {
    "prepare": "prepares; the source serves",
    "flip": "the cutover",
    "soak": "after the cutover",
    "retire": "on `portability complete` only",
}


def main() -> int:
    """Write or check every page; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a page is stale")
    check = parser.parse_args().check
    stale = 0
    PAGES.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        path = PAGES / name
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if old == text:
            continue
        if not check:
            path.write_text(text, encoding="utf-8")
            continue
        stale += 1
        shown = f"docs/reference/{name}"
        sys.stderr.writelines(difflib.unified_diff(_lines(old), _lines(text), shown, "from the sources"))
    if stale:
        print(f"{stale} stale page(s); run: python docs/generate.py", file=sys.stderr)
    return 1 if stale else 0


def pages() -> dict[str, str]:
    """Each page's text by its file name."""
    return {
        "estate.md": schema_page("The estate file", Estate, "plans/estate.yaml", []),
        "recipe.md": schema_page("Recipes", Recipe, "plans/pool-to-silo.yaml", [gates.Window, gates.Evidence]),
        "steps.md": steps_page(),
        "errors.md": errors_page(),
        "exit-codes.md": exit_codes_page(),
        "contracts.md": contracts_page(),
    }


# ------------------------------------------------------------------------------------------------------------- schemas


def schema_page(title: str, top: type[msgspec.Struct], example: str, also: list[type[msgspec.Struct]]) -> str:
    """One section per struct, in the order in which the file reaches them, then a whole example."""
    parts = [
        f"# {title}",
        NOTE,
        _summary(inspect.getmodule(top)),
        "A duration is written `500ms`, `5s`, `10m`, `24h` or `7d`.",
    ]
    for kind in reached(top):
        parts += [f"## {kind.__name__}", _doc(kind), table(kind)]
    for kind in also:
        parts += [f"## {kind.__name__}", _doc(kind)]
    source = (ROOT / example).read_text(encoding="utf-8").rstrip("\n")
    parts += ["## A whole file", f"`{example}`:", f"```yaml\n{source}\n```"]
    return _page(parts)


def reached(top: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """`top` and every struct that its fields lead to, nearest first."""
    found: list[type[msgspec.Struct]] = [top]
    for kind in found:
        for field in msgspec.structs.fields(kind):
            found += [inner for inner in structs(field.type) if inner not in found]
    return found


def structs(kind: object) -> Iterator[type[msgspec.Struct]]:
    """Every struct inside an annotation."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for argument in get_args(kind):
        yield from structs(argument)


def table(kind: type[msgspec.Struct]) -> str:
    """Field, type, default, meaning."""
    said = comments(kind)
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(kind):
        if not said.get(field.name):
            sys.exit(f"{kind.__module__}.{kind.__name__}.{field.name} has no comment")
        cells = (f"`{field.encode_name}`", type_text(field.type), default_text(field), said[field.name])
        rows.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(rows)


def comments(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Field to its comment: on its line, or on the lines above it."""
    source = Path(inspect.getfile(kind)).read_text(encoding="utf-8")
    lines = source.split("\n")
    (body,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    found: dict[str, str] = {}
    for node in body.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.end_lineno is None:
            continue
        after = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
        text = re.sub(r"^\s*#\s*(noqa: \w+ - )?", "", after)
        above = node.lineno - 2
        upper: list[str] = []
        while not text and lines[above].strip().startswith("#"):
            upper.insert(0, lines[above].strip().lstrip("# "))
            above -= 1
        found[node.target.id] = text or " ".join(upper)
    return found


def type_text(kind: object) -> str:
    """A type in words, with links to the structs on the page."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        base, *marks = arguments
        mark = next((mark for mark in marks if isinstance(mark, msgspec.Meta)), msgspec.Meta())
        if mark.ge is not None and mark.le is not None:
            return f"{_PLAIN[base]}, {mark.ge:,} to {mark.le:,}"
        words = (mark.description or type_text(base)).split(":")[0].split(" such as")[0].split(" of letters")[0]
        return re.sub(r"^an? ", "", words)
    words = ""
    if origin in (Union, types.UnionType):
        words = " or ".join(type_text(argument) for argument in arguments)
    elif origin is Literal:
        words = " or ".join(f"`{argument}`" for argument in arguments)
    elif origin is dict:
        words = f"mapping of {type_text(arguments[0])} to {type_text(arguments[1])}"
    elif origin in (list, tuple):
        inner = dict.fromkeys(type_text(argument) for argument in arguments if argument is not ...)
        words = f"{'list' if origin is list or ... in arguments else 'pair'} of {', '.join(inner)}"
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        words = f"[{kind.__name__}](#{kind.__name__.lower()})"
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        words = " or ".join(f"`{member.value}`" for member in kind)
    return words or ("anything" if kind is Any else _PLAIN[kind])


def default_text(field: msgspec.structs.FieldInfo) -> str:
    """The default as it would be written in a file."""
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value in ([], {}, ()):
        return "none"
    if isinstance(value, msgspec.Struct):
        return "its defaults"
    plain = msgspec.to_builtins(value)
    if isinstance(plain, bool):
        return f"`{str(plain).lower()}`"
    if isinstance(plain, dict):
        return ", ".join(f"`{key}`" for key in plain)
    return f"`{', '.join(plain) if isinstance(plain, list) else plain}`"


# --------------------------------------------------------------------------------------------------------- other pages


def steps_page() -> str:
    """Every step's docstring, phase and options."""
    parts = ["# Steps", NOTE, _summary(catalog), "A recipe names a step by `uses:` and gives its options in `with:`."]
    for uses in catalog.STEPS:
        kind, options = catalog.step_class(uses), catalog.options(uses)
        parts += [f"## {uses}", f"*{_PHASES[kind.phase]}*", _doc(kind)]
        fields = msgspec.structs.fields(options)
        parts.append(table(options) if fields else "No options.")
        parts += [
            section
            for inner in reached(options)[1:]
            for section in (f"### {inner.__name__}", _doc(inner), table(inner))
        ]
    return _page(parts)


def contracts_page() -> str:
    """Every rule of the suites and what it holds, then what a scene is."""
    how = "`portability.testing` holds a step and a store to these rules; [how to run them](../how-to/extend.md)."
    parts = ["# Contracts", NOTE, how]
    for title, rules, scene in (
        ("A step", testing.STEP_RULES, testing.StepScene),
        ("A store", testing.STORE_RULES, testing.StoreScene),
    ):
        rows = ["| rule | what it holds |", "|---|---|"]
        rows += [f"| `{name}` | {' '.join((inspect.getdoc(rule) or '').split())} |" for name, rule in rules.items()]
        parts += [f"## {title}", "\n".join(rows), f"### {scene.__name__}", _doc(scene)]
        members = {name: one for name, one in vars(scene).items() if callable(one) or isinstance(one, property)}
        told = {name: inspect.getdoc(one) or "" for name, one in members.items() if not name.startswith("_")}
        parts.append("\n".join(f"* `{name}`: {' '.join(text.split())}" for name, text in told.items()))
    return _page(parts)


def errors_page() -> str:
    """The tree, one row per error, then what `portability explain` says of each."""
    text = inspect.getdoc(errors) or ""
    intro, _, tree = (
        text.partition("\n\nPortabilityError") if "\n\nPortabilityError" in text else text.partition("\n\n    ")
    )
    rows = ["| code | name | exit | meaning |", "|---|---|---|---|"]
    said = []
    for page in every_page():
        meaning = " ".join(page.family.split("\n\n")[0].split())
        cells = (page.code, page.name, ", ".join(map(str, page.exits)), meaning)
        rows.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
        said += [f"## {page.code} {page.name}", textwrap.fill(page.text, WIDTH, break_on_hyphens=False)]
    branches = inspect.cleandoc("    " + tree) if "├" in tree else tree
    return _page(["# Errors", NOTE, intro, f"```text\n{branches.rstrip()}\n```", "\n".join(rows), *said])


def exit_codes_page() -> str:
    """Exit code, meaning, and the errors that end with it."""
    rows = ["| exit | meaning | errors |", "|---|---|---|"]
    for code, meaning in TABLE.items():
        names = ", ".join(f"[{page.code}](errors.md)" for page in every_page() if code in page.exits)
        rows.append(f"| {code} | {_cell(meaning)} | {names} |")
    extra = (
        "128 plus the number of a signal stands for the signal. A second signal leaves at once, with its own number: "
        "then the run may be neither parked nor its lease released. An AWS error that is 8 is 3 before a run was begun."
        " A closed pipe is silent."
    )
    extra = textwrap.fill(extra, WIDTH, break_on_hyphens=False)
    return _page(["# Exit codes", NOTE, "\n".join(rows), extra])


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _summary(thing: object) -> str:
    return inspect.cleandoc(thing.__doc__ or "").split("\n\n")[0] if thing is not None else ""


def _doc(kind: type) -> str:
    text = inspect.cleandoc(kind.__doc__ or "")
    if not text:
        sys.exit(f"{kind.__module__}.{kind.__name__} has no docstring")
    return text


def _first(kind: type) -> str:
    return " ".join(_doc(kind).split("\n\n")[0].split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _page(parts: list[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


if __name__ == "__main__":
    sys.exit(main())
