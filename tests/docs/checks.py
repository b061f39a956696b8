"""What every page of this project is held to. A check yields problems; it changes nothing and asks no engine."""

from __future__ import annotations

import importlib.util
import inspect
import re
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

from portability import errors
from portability.cli.exit_codes import TABLE
from portability.cli.wiring import steps_known
from portability.model.estate import Estate
from portability.plan.load import validate
from portability.report.error_pages import every_page
from tests.docs import commands, screens
from tests.docs.pages import SHELL, Page

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("docs", "plans", "portability", "tests", "requirements")
"""Folders of this project: a path that begins with one of them is a file of ours."""

_OURS = re.compile(rf"(?<![\w./-])(?!portability/v\d)(?:{'|'.join(ROOMS)})/[\w./*-]*\w(?:/|\b)")
_CODE = re.compile(r"\bPORT-E\d{3}\b")
_EXIT = re.compile(r"\bexits? (\d+)\b")
_TARGET = re.compile(r"^\s*(?:\$ )?make ([a-z]+)\b", re.MULTILINE)
_PAGE = re.compile(r"(?<![\w./])(?:docs/[\w/.-]+|[A-Z]{2,})\.md\b")
_MODULE = re.compile(r"python3?(?:\.\d+)? -m (portability[\w.]*|tests[\w.]*)")


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        path = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{path}:{self.line}: {self.text}"


def every() -> list[Page]:
    """Every page that the project ships."""
    return [Page.read(path) for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]]


def problems(pages: Sequence[Page] | None = None) -> list[Problem]:
    """Everything that is wrong with these pages; with all pages, also with the examples and the tool's own words."""
    found = [problem for page in pages or every() for check in OF_A_PAGE for problem in check(page)]
    return found if pages else [*found, *unlinked(every()), *examples(), *own_words(), *sources()]


def unlinked(pages: Sequence[Page]) -> Iterator[Problem]:
    """A page in docs/ that no other page leads to."""
    led_to = {(page.path.parent / target.partition("#")[0]).resolve() for page in pages for _, target in page.links()}
    for page in pages:
        if page.path.is_relative_to(ROOT / "docs") and page.path not in led_to:
            yield Problem(page.path, 1, "no page leads here")


def links(page: Page) -> Iterator[Problem]:
    """A relative link leads to a file, and its fragment to a heading there."""
    for line, target in page.links():
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, fragment = target.partition("#")
        file = (page.path.parent / unquote(name)).resolve() if name else page.path
        if not file.exists():
            yield Problem(page.path, line, f"the link {target} leads nowhere")
        elif not file.is_relative_to(ROOT) and page.path.is_relative_to(ROOT):
            yield Problem(page.path, line, f"the link {target} leads out of the project")
        elif fragment and (file.suffix != ".md" or fragment not in Page.read(file).anchors()):
            yield Problem(page.path, line, f"the link {target} names no heading of {file.name}")


def shell(page: Page) -> Iterator[Problem]:
    """Each command in a block of shell is one the tool takes, whole."""
    for block in page.blocks():
        text = block.text if block.kind in {*SHELL, "indented"} else _prompted(block.text)
        for number, line in commands.lines_in(text):
            refused = commands.fault(line)
            if refused:
                yield Problem(page.path, block.line + number, f"`portability {line}`: {refused}")


def mentions(page: Page) -> Iterator[Problem]:
    """Each verb and option named in the text exists."""
    known, flags = commands.verbs(), commands.options()
    for line, span in page.spans():
        first, *more = span.split()
        refused = None
        if first == "portability" and more and re.match(r"[a-z-]", more[0]):
            refused = commands.fault(span.removeprefix("portability "), whole=False)
        elif first in known and more and re.match(r"[a-zA-Z<-]", more[0]):
            refused = commands.fault(span, whole=False)
        elif re.fullmatch(r"--?[a-z][a-z-]*", first) and first not in flags | FOREIGN_FLAGS:
            refused = f"no verb has {first}"
        if refused:
            yield Problem(page.path, line, f"`{span}`: {refused}")


FOREIGN_FLAGS = frozenset({"-sharedDb", "--runs", "--seed"})
"""Options of DynamoDB Local and of this project's own pytest that pages speak of."""


def snippets(page: Page) -> Iterator[Problem]:
    """YAML in a page loads, and a whole file in it is one that the tool accepts."""
    for block in page.blocks():
        if block.kind not in ("yaml", "yml"):
            continue
        try:
            value = yaml.safe_load(block.text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            yield Problem(page.path, block.line + (mark.line if mark else 0), f"no YAML: {error}")
            continue
        yield from (Problem(page.path, block.line, text) for text in _refused(value))


def names(page: Page) -> Iterator[Problem]:
    """Files of ours, error codes, exit codes, make targets and modules that a page names are there."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    codes = {page.code for page in every_page()}
    code = "\n".join([*(block.text for block in page.blocks()), *(span for _, span in page.spans())])
    wrong = [f"there is no {name}" for name in _OURS.findall(page.text) if not _there(name)]
    wrong += [f"there is no error {name}" for name in _CODE.findall(page.text) if name not in codes]
    wrong += [f"there is no exit code {number}" for number in _EXIT.findall(page.text) if int(number) not in TABLE]
    wrong += [f"there is no `make {name}`" for name in _TARGET.findall(code) if name not in targets]
    wrong += [f"there is no module {name}" for name in _MODULE.findall(code) if not _module(name)]
    for text in dict.fromkeys(wrong):
        last = re.escape(text.rpartition(" ")[2].strip("`"))
        found = re.search(last, page.text)
        yield Problem(page.path, page.text.count("\n", 0, found.start() if found else 0) + 1, text)


def shown(page: Page) -> Iterator[Problem]:
    """A screen that a page shows is still one that the tool prints."""
    for block in page.blocks():
        yield from (Problem(page.path, block.line + number, text) for number, text in screens.faults(block.text))


def floors(page: Page) -> Iterator[Problem]:
    """A page that draws which rooms may import which draws what import-linter holds."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (one for one in settings["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    held = " > ".join(layer for layer in contract["layers"] if not layer.startswith("("))
    for line, span in page.spans():
        if span.count(" > ") > len(contract["layers"]) // 2 and span != held:
            yield Problem(page.path, line, f"the rooms are `{held}`")


OF_A_PAGE = (links, shell, mentions, snippets, names, shown, floors)


def examples() -> Iterator[Problem]:
    """The examples that are shipped load, and name only files and commands that there are."""
    files = sorted((ROOT / "plans").rglob("*.yaml"))
    for folder in sorted({file.parent for file in files}):
        for problem in validate([folder], steps_known()):
            yield Problem(ROOT / problem.file, problem.line or 1, problem.text)
    for file in files:
        comments = re.sub(r"^[^#\n]*", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        page = Page(file, comments.replace("#", " "))
        yield from (Problem(file, problem.line, problem.text) for check in (mentions, names) for problem in check(page))


def own_words() -> Iterator[Problem]:
    """Examples in --help and the pages of `explain` show commands that there are."""
    for path, command in _commands(commands.root(), ("portability",)):
        for _, line in commands.lines_in(command.epilog or ""):
            refused = None if line.startswith("--help") else commands.fault(line)
            if refused:
                yield Problem(ROOT / "portability" / "cli", 1, f"{' '.join(path)} --help shows `{line}`: {refused}")
    for page in every_page():
        told = Page(Path(inspect.getfile(every_page)), page.text)
        yield from (Problem(told.path, 1, f"{page.code}: {problem.text}") for problem in mentions(told))
    tree = Page(Path(inspect.getfile(errors)), inspect.getdoc(errors) or "")
    yield from (Problem(tree.path, 1, problem.text) for problem in mentions(tree))


def sources() -> Iterator[Problem]:
    """A source names a page only where there is one."""
    for file in sorted(path for room in ("portability", "tests") for path in (ROOT / room).rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        for found in _PAGE.finditer(text):
            if not (ROOT / found[0]).exists() and file != Path(__file__):
                yield Problem(file, text.count("\n", 0, found.start()) + 1, f"there is no {found[0]}")


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, (*path, name))


def _prompted(text: str) -> str:
    """A block of what a terminal showed: only what stands behind a prompt was typed."""
    return "\n".join(line if line.startswith("$ ") else "" for line in text.split("\n"))


def _refused(value: object) -> Iterator[str]:
    """A fragment of an estate is laid over the shipped one; a fragment of anything else only has to load."""
    if not isinstance(value, dict):
        return
    fields = {"apiVersion", *Estate.__struct_fields__}
    if value.get("kind") == "MigrationPlan" or not value.keys() <= fields:
        return
    whole = yaml.safe_load((ROOT / "plans" / "estate.yaml").read_text(encoding="utf-8"))
    for name, part in value.items():
        whole[name] = {**whole[name], **part} if isinstance(part, dict) and isinstance(whole.get(name), dict) else part
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "estate.yaml"
        file.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
        yield from (f"{problem.path}: {problem.text}" for problem in validate([file], steps_known()))


def _there(name: str) -> bool:
    return any(True for _ in ROOT.glob(name.rstrip("/"))) if "*" in name else (ROOT / name).exists()


def _module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
