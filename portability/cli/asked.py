"""The global options: they stand before the verb, after it, or both, where the later one wins."""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer


class Output(enum.StrEnum):
    """What stdout carries. With json and jsonl, stderr carries JSON lines as well."""

    HUMAN = "human"
    JSON = "json"
    JSONL = "jsonl"


@dataclass(frozen=True)
class Asked:
    """The global options of one call, as given; None where they were not."""

    output: Output | None = None
    events: Path | None = None
    config: Path | None = None
    profile: str | None = None
    region: str | None = None
    no_color: bool | None = None
    no_input: bool | None = None
    quiet: bool | None = None
    verbose: int = 0

    def then(self, later: Asked) -> Asked:
        """These options, overridden by what `later` says."""
        values = {name: getattr(self, name) if value is None else value for name, value in vars(later).items()}
        return Asked(**(values | {"verbose": self.verbose + later.verbose}))

    @property
    def estate_file(self) -> Path:
        """`--config`, else $PORTABILITY_ESTATE, else plans/estate.yaml."""
        return self.config or Path(os.environ.get("PORTABILITY_ESTATE") or "plans/estate.yaml")

    @property
    def machine(self) -> bool:
        """Whether a program reads the output."""
        return self.output in (Output.JSON, Output.JSONL)


_ESTATE_DEFAULT = "plans/estate.yaml, or $PORTABILITY_ESTATE"

OPTIONS: dict[str, tuple[Any, tuple[str, ...], dict[str, Any]]] = {
    "output": (Output | None, ("--output", "-o"), {"help": "What stdout carries.", "show_default": "human"}),
    "events": (
        Path | None,
        ("--events",),
        {"metavar": "FILE", "help": "Append machine events to FILE, as JSON lines."},
    ),
    "config": (
        Path | None,
        ("--config",),
        {"metavar": "FILE", "help": "The estate file.", "show_default": _ESTATE_DEFAULT},
    ),
    "profile": (str | None, ("--profile",), {"metavar": "NAME", "help": "AWS profile."}),
    "region": (str | None, ("--region",), {"metavar": "NAME", "help": "Region of journal and directory."}),
    "no_color": (bool | None, ("--no-color",), {"help": "No colours; NO_COLOR and TERM=dumb say so too."}),
    "no_input": (bool | None, ("--no-input",), {"help": "Never ask: a missing confirmation is exit 64."}),
    "quiet": (bool | None, ("--quiet", "-q"), {"help": "No progress; a verb that acts says nothing but errors."}),
    "verbose": (int, ("--verbose", "-v"), {"help": "Log more.", "count": True, "show_default": False}),
}
"""Each global option: its type, its flags, and what else Typer is told."""


def declared(name: str, *, hidden: bool) -> Any:  # noqa: ANN401 - an annotation is built here
    """The annotation of a global option; hidden below the root, where one line points there."""
    kind, flags, told = OPTIONS[name]
    return Annotated[kind, typer.Option(*flags, hidden=hidden, **told)]


def default(name: str) -> Any:  # noqa: ANN401 - None or 0
    """What an option is when it is not given."""
    return 0 if name == "verbose" else None
