"""Estate and recipe files to values, with file, line and what was probably meant. Reads files; writes nothing.

`load_*` raise on the first problem and count the others; `validate` lists them all.
"""

from __future__ import annotations

import importlib.resources
import os
import pathlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import msgspec

from portability import errors
from portability.model.estate import Estate
from portability.model.recipe import GATES, Recipe
from portability.plan.check_estate import check_estate
from portability.plan.check_recipe import check_recipe, ordered
from portability.plan.document import MAX_BYTES, Document, Malformed, Path, parse, shown
from portability.plan.shape import check, suggestion

V = TypeVar("V", bound=Estate | Recipe)

KINDS: dict[str, type[Estate | Recipe]] = {"Estate": Estate, "MigrationPlan": Recipe}
OURS = b"portability/"
"""What the `apiVersion` of our files begins with."""
SUFFIXES = (".yaml", ".yml")
MAX_PROBLEMS = 50
"""Per file; who has more has one cause."""


@dataclass(frozen=True)
class Steps:
    """What a loader is told of the steps there are: their kinds, the types of their `with`, their phases."""

    known: Collection[str]
    schemas: Mapping[str, Any] = field(default_factory=dict)  # kind -> the msgspec type of its `with`
    phases: Mapping[str, str] = field(default_factory=dict)  # kind -> prepare, flip, soak or retire


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with a file."""

    file: str
    line: int
    path: str  # `stores.Order.tenant.suffixes.default`, empty for the file as a whole
    text: str

    @property
    def where(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}"

    @property
    def what(self) -> str:
        """Path and text."""
        return f"{self.path}: {self.text}" if self.path else self.text

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Folder(Protocol):
    """The part of a directory, on disk or inside the installed package, that is needed here."""

    @property
    def name(self) -> str:
        """The last part."""

    def iterdir(self) -> Iterable[Folder]:
        """What is in it."""

    def is_file(self) -> bool:
        """Whether it is a file."""

    def is_dir(self) -> bool:
        """Whether it is a directory."""

    def read_bytes(self) -> bytes:
        """The file's bytes."""


def load_estate(path: str | os.PathLike[str]) -> Estate:
    """The estate in the file. Raises `FileInvalid`, its `where` being `file:line`."""
    source = pathlib.Path(path)
    return _one(_File.read(source, os.fspath(path)), Estate, Steps(()))


def load_recipe(path: str | os.PathLike[str], known: Collection[str] | Steps) -> Recipe:
    """The recipe in the file, its steps in the order they run. Raises `FileInvalid`."""
    source = pathlib.Path(path)
    return _one(_File.read(source, os.fspath(path)), Recipe, _steps(known))


def load_recipes(directory: str | os.PathLike[str], known: Collection[str] | Steps) -> list[Recipe]:
    """Every recipe directly in the directory, by file name; estates and files of other tools are skipped.

    A file that speaks of recipes and is no YAML is not skipped: another recipe would take its place. Raises
    `FileInvalid`, also for two recipes of one pair of models, and for a link that leads out of the directory.
    """
    folder = pathlib.Path(directory)
    if not folder.is_dir():
        raise errors.FileInvalid("there is no such directory", where=f"{folder}:1", next="portability validate")
    return _recipes(folder, str(folder), _steps(known))


def shipped_recipes(known: Collection[str] | Steps) -> list[Recipe]:
    """The recipes that come with the tool."""
    folder = shipped_plans()
    return _recipes(folder, folder.name, _steps(known))


def shipped_plans() -> Folder:
    """The directory of the example estate and the recipes: package data of a wheel, `plans/` of a source tree."""
    packed = importlib.resources.files("portability.plan") / "recipes"
    if packed.is_dir():
        return packed
    return pathlib.Path(__file__).resolve().parents[2] / "plans"


def recipes_for(estate: Estate, estate_path: str | os.PathLike[str], known: Collection[str] | Steps) -> list[Recipe]:
    """The recipes in the estate's own directory, and the tool's for every pair of models that it has none for."""
    own = load_recipes(pathlib.Path(estate_path).parent / estate.recipes, known)
    pairs = {(recipe.from_, recipe.to) for recipe in own}
    return own + [recipe for recipe in shipped_recipes(known) if (recipe.from_, recipe.to) not in pairs]


def validate(paths: Sequence[str | os.PathLike[str]], known: Collection[str] | Steps) -> list[Problem]:
    """Every problem of every file, by file and line. A directory stands for the estates and recipes directly in it."""
    problems: list[Problem] = []
    for path in paths:
        source = pathlib.Path(path)
        found = sorted(p for p in source.iterdir() if p.suffix in SUFFIXES) if source.is_dir() else [source]
        files = [_File.read(one, str(one) if source.is_dir() else os.fspath(path)) for one in found]
        files = [file for file in files if file.ours or not source.is_dir()]
        for file in files:
            kind = _kind(file)
            if kind is not None:
                _value(file, kind, _steps(known))
            problems += file.problems
        problems += _rivals([file for file in files if not file.problems and _kind(file) is Recipe], _steps(known))
    return sorted(set(problems))


@dataclass
class _File:
    """A file on its way to a value."""

    label: str
    document: Document | None
    problems: list[Problem] = field(default_factory=list)
    unread: bool = False  # no YAML that we read, and perhaps meant for us

    @classmethod
    def read(cls, source: Folder, label: str) -> _File:
        file, raw = cls(label, None), OURS
        try:
            if isinstance(source, pathlib.Path):
                with source.open("rb") as stream:
                    raw = stream.read(MAX_BYTES + 1)
            else:
                raw = source.read_bytes()
            file.document = parse(raw)
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
            reason = getattr(error, "strerror", None) or str(error)
            file.problems.append(Problem(label, 1, "", f"cannot be read: {reason}"))
            file.unread = True
        except Malformed as error:
            file.problems.append(Problem(label, error.line, "", error.text))
            file.unread = OURS in raw
        else:
            for line, path, text in file.document.problems:
                file.problems.append(Problem(label, line, dotted(path), text))
        return file

    @property
    def ours(self) -> bool:
        """Whether the file is an estate or a recipe, or means to be one: a directory may hold other tools' files."""
        data = None if self.document is None else self.document.data
        if not isinstance(data, dict):
            return self.unread
        return (
            str(data.get("apiVersion")).encode(errors="replace").startswith(OURS) or data.get("kind") == "MigrationPlan"
        )

    def report(self, path: Path, text: str) -> None:
        """Add a problem at a path."""
        if len(self.problems) < MAX_PROBLEMS:
            line = 1 if self.document is None else self.document.line(path)
            named = path[:-1] if text.startswith("unknown key") else path
            self.problems.append(Problem(self.label, line, dotted(named), text))


def dotted(path: Path) -> str:
    """`stores.Order.tenant.suffixes.default`, `steps[2].uses`; a strange key is quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part.isascii() and part.replace("-", "").replace("_", "").isalnum() and len(part) <= 64  # noqa: PLR2004
            text += ("." if text else "") + (part if plain else shown(part))
    return text


def _steps(known: Collection[str] | Steps) -> Steps:
    return known if isinstance(known, Steps) else Steps(known)


def _kind(file: _File) -> type[Estate | Recipe] | None:
    """The type that `kind:` names; None, with a problem, where there is none."""
    if file.document is None:
        return None
    data = file.document.data
    if not isinstance(data, dict):
        file.report((), "expected a mapping with `apiVersion` and `kind` at the top")
        return None
    name = data.get("kind")
    if isinstance(name, str) and name in KINDS:
        return KINDS[name]
    if "kind" not in data:
        file.report((), "'kind' is missing: Estate or MigrationPlan")
    else:
        near = suggestion(name, KINDS) if isinstance(name, str) else ""
        file.report(("kind",), f"expected Estate or MigrationPlan, got {shown(name)}{near}")
    return None


def _one(file: _File, kind: type[V], steps: Steps) -> V:
    found = _kind(file)
    if found is not None and found is not kind:
        name = "an Estate" if kind is Estate else "a MigrationPlan"
        file.report(("kind",), f"{name} is needed here")
    value = _value(file, kind, steps) if found is kind else None
    if value is None:
        raise _invalid(file.problems)
    return value


def _value(file: _File, kind: type[V], steps: Steps) -> V | None:
    """The value, None with problems where there are any."""
    if file.document is None:
        return None
    data = file.document.data
    check(data, kind, (), file.report)
    if kind is Recipe and isinstance(data, dict):
        _settings(data, steps, file)
    if file.problems:
        return None
    try:
        value = msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        file.report((), str(error))
        return None
    found = check_estate(value) if isinstance(value, Estate) else check_recipe(value, steps.known, steps.phases)
    for path, text in found:
        file.report(path, text)
    if file.problems:
        return None
    return msgspec.structs.replace(value, steps=ordered(value.steps)) if isinstance(value, Recipe) else value


def _settings(data: dict[str, Any], steps: Steps, file: _File) -> None:
    """Check each step's `with` against its own type, and so its gates'."""
    listed = data.get("steps")
    for index, step in enumerate(listed if isinstance(listed, list) else []):
        if not isinstance(step, dict) or not isinstance(step.get("with", {}), dict):
            continue  # its shape is a problem already
        _gates(step.get("gates"), ("steps", index, "gates"), file)
        uses = step.get("uses")
        if isinstance(uses, str) and uses in steps.schemas:
            check(step.get("with", {}), steps.schemas[uses], ("steps", index, "with"), file.report)


def _gates(listed: object, path: Path, file: _File) -> None:
    for index, gate in enumerate(listed if isinstance(listed, list) else []):
        schema = GATES.get(str(gate.get("name"))) if isinstance(gate, dict) else None
        if schema is not None and isinstance(gate.get("with", {}), dict):
            check(gate.get("with", {}), schema, (*path, index, "with"), file.report)


def _recipes(folder: Folder, label: str, steps: Steps) -> list[Recipe]:
    found: list[tuple[_File, Recipe]] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not entry.name.endswith(SUFFIXES) or not entry.is_file():
            continue
        file = _File.read(entry, str(pathlib.PurePath(label, entry.name)))
        if not file.ours:
            continue
        if _kind(file) is Recipe:
            _refuse_escape(folder, entry, file.label)
            found.append((file, _one(file, Recipe, steps)))
        elif file.problems:
            raise _invalid(file.problems)
    rivals = _rivals([file for file, _ in found], steps)
    if rivals:
        raise _invalid(rivals)
    return [recipe for _, recipe in found]


def _refuse_escape(folder: Folder, entry: Folder, label: str) -> None:
    if isinstance(folder, pathlib.Path) and isinstance(entry, pathlib.Path):
        if entry.resolve().is_relative_to(folder.resolve()):
            return
        what = "a link that leads out of the directory of the recipes"
        raise errors.FileInvalid(what, where=f"{label}:1", next="put a copy in its place, then portability validate")


def _rivals(files: list[_File], steps: Steps) -> list[Problem]:
    """Two recipes for one pair of models, or of one name: nothing says which one would run."""
    problems: list[Problem] = []
    seen: dict[tuple[str, ...], str] = {}
    for file in files:
        recipe = _value(file, Recipe, steps)
        if recipe is None:
            continue
        pair = f"a recipe from {recipe.from_} to {recipe.to}"
        for key, path, text in (
            ((recipe.from_, recipe.to), "from", pair),
            ((recipe.name,), "name", "a recipe of this name"),
        ):
            if key in seen and file.document is not None:
                problems.append(
                    Problem(file.label, file.document.line((path,)), path, f"{seen[key]} is {text} already")
                )
            seen.setdefault(key, file.label)
    return problems


def _invalid(problems: list[Problem]) -> errors.FileInvalid:
    """The first problem in the file as an error that counts the others."""
    first, *others = sorted(problems)
    more = f" (and {len(others)} more)" if others else ""
    return errors.FileInvalid(first.what + more, where=first.where, next=f"portability validate {first.file}")
