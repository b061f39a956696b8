"""Registers a verb: its examples, the global options after it, and the one argument every verb gets, its `Call`.

A verb is a function `(call, …) -> int | None`: it prints its result through `call.screen`, raises our errors, and
returns an exit code where that is not 0.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast, get_type_hints

import typer

from portability.cli.asked import OPTIONS, Asked, declared, default
from portability.cli.call import Call

F = TypeVar("F", bound=Callable[..., int | None])

POINTER = "Global options (-o, --config, …) work here too: portability --help"
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def verb(app: typer.Typer, name: str, *, examples: Sequence[str]) -> Callable[[F], F]:
    """Register the decorated function under `name`. `examples` are command lines, most without `portability`."""

    def register(function: F) -> F:
        app.command(name, epilog=_epilog(examples), context_settings=SETTINGS)(_told(function))
        return function

    return register


def _epilog(examples: Sequence[str]) -> str:
    lines = [line if line.startswith("eval ") else f"portability {line}" for line in examples]
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines), "", POINTER])


def group(app: typer.Typer, name: str, about: str, *, examples: Sequence[str]) -> typer.Typer:
    """Register a group of verbs that takes the global options as well."""
    made = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=about, context_settings=SETTINGS)
    made.callback(help=about, epilog=_epilog(examples))(accept(hidden=True))
    app.add_typer(made, name=name)
    return made


def accept(*, hidden: bool) -> Callable[..., None]:
    """A callback that takes the global options and keeps them for the verb below."""

    def keep(ctx: typer.Context, **given: Any) -> None:
        ctx.obj = _merged(ctx, given)

    return cast("Callable[..., None]", _signed(keep, [_context()], hidden=hidden))


def _told(function: Callable[..., int | None]) -> Callable[..., int | None]:
    own = list(inspect.signature(function).parameters.values())[1:]
    hints = get_type_hints(function, include_extras=True)

    @functools.wraps(function)
    def run(ctx: typer.Context, **given: Any) -> int | None:
        asked = _merged(ctx, {name: given.pop(name) for name in OPTIONS})
        with Call.begin(asked) as call:
            return function(call, **given)

    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name]) for parameter in own
    ]
    signed = _signed(run, [_context(), *parameters], hidden=True)
    del signed.__wrapped__  # Typer would read the signature below it
    return cast("Callable[..., int | None]", signed)


def _merged(ctx: typer.Context, given: dict[str, Any]) -> Asked:
    before = ctx.obj if isinstance(ctx.obj, Asked) else Asked()
    return before.then(Asked(**given))


def _context() -> inspect.Parameter:
    return inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)


def _signed(function: Any, parameters: list[inspect.Parameter], *, hidden: bool) -> Any:  # noqa: ANN401
    globals_ = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default(name), annotation=declared(name, hidden=hidden)
        )
        for name in OPTIONS
    ]
    every = [*parameters, *globals_]
    function.__signature__ = inspect.Signature(every)
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in every}
    return function
