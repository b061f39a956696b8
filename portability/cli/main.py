"""The command line: what there is, in help's order, and the one place where an error becomes an exit code."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from portability import __version__, errors
from portability.cli import (
    demo,
    doctor,
    explain,
    init,
    journal,
    lock,
    migrate,
    plan,
    report,
    run,
    sandbox,
    status,
    steer,
    validate,
    verify,
)
from portability.cli.asked import Asked
from portability.cli.call import Call
from portability.cli.crash import write_crash
from portability.cli.exit_codes import BUG, DONE, REFUSED, USAGE, exit_code
from portability.cli.screen import Screen, forget
from portability.cli.verb import SETTINGS, accept, group, verb

ORDER = (
    *("demo", "init", "doctor", "plan", "migrate", "resume"),
    *("status", "verify", "reverse", "cancel", "complete", "report"),
    *("run", "journal", "lock", "sandbox", "validate", "explain", "completion"),
)

ABOUT = """Move a SaaS tenant between pooled and siloed tiers as one journaled, resumable run.

\b
First look:   portability plan tenant-42 --to premium
Then:         portability migrate tenant-42 --to premium
Killed? Again: portability resume
"""

GROUPS: tuple[tuple[str, Any, str, tuple[str, ...]], ...] = (
    ("run", run, "Runs: list, pause, cut over, go on once.", ("run list --open", "run logs tenant-42")),
    ("journal", journal, "The journal of a run: shown, exported, checked.", ("journal verify tenant-42",)),
    ("lock", lock, "The lease of a run.", ("lock show tenant-42",)),
    (
        "sandbox",
        sandbox,
        "The embedded estate: an AWS of your own, on this host.",
        ('eval "$(portability sandbox up --export)"', "sandbox seed", "sandbox down"),
    ),
)
"""The groups: name, where its verbs are, what it is about, examples."""

_UsageError: Any = typer.BadParameter.__base__


class InOrder(TyperGroup):
    """The twelve verbs first, then the groups."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - Typer's own context
        """The names, in `ORDER`."""
        return [name for name in ORDER if name in super(InOrder, self).list_commands(ctx)]


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"portability {__version__}\n")
        raise typer.Exit(DONE)


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        cls=InOrder,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings=SETTINGS,
    )
    keep = accept(hidden=False)
    version = Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ]
    app.callback(help=ABOUT, invoke_without_command=False)(_with_version(keep, version))
    for room in (demo, init, doctor, plan, migrate, status, verify, steer, report, validate, explain):
        room.register(app)
    for name, verbs, about, examples in GROUPS:
        verbs.register(group(app, name, about, examples=examples))
    verb(app, "completion", examples=["completion bash > ~/.local/share/bash-completion/completions/portability"])(
        completion
    )
    return app


def _with_version(keep: Any, version: Any) -> Any:  # noqa: ANN401 - built signatures
    import inspect

    def root(ctx: typer.Context, version: bool = False, **given: Any) -> None:  # noqa: ARG001
        keep(ctx, **given)

    parameter = inspect.Parameter("version", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=version)
    root.__signature__ = inspect.Signature([*keep.__signature__.parameters.values(), parameter])  # type: ignore[attr-defined]
    root.__annotations__ = {**keep.__annotations__, "version": version}
    return root


def completion(
    call: Call,
    *,
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh, fish or powershell.")] = "bash",
) -> None:
    """Print the shell's completion script."""
    shells = ("bash", "zsh", "fish", "powershell")
    if shell not in shells:
        raise errors.UsageMistake(
            f"no completion for {shell!a}: {', '.join(shells)}", next="portability completion bash"
        )
    script = importlib.import_module("typer.completion").get_completion_script(
        prog_name="portability", complete_var="_PORTABILITY_COMPLETE", shell=shell
    )
    call.screen.result(script, {"shell": shell, "script": script})


def run_cli(argv: Sequence[str]) -> int:
    """Run one command line; the exit code. Nothing but the result is on stdout."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    code = _answered(argv)
    return _flushed(code)


def _answered(argv: Sequence[str]) -> int:
    command = typer.main.get_command(build())
    if not argv and "_PORTABILITY_COMPLETE" not in os.environ:
        argv = ["--help"]
    if "_PORTABILITY_COMPLETE" in os.environ:
        importlib.import_module("typer.completion").completion_init()
    try:
        code = command.main(args=list(argv), prog_name="portability", standalone_mode=False)
    except _UsageError as error:
        return _usage(error, argv)
    except typer.Abort:
        return 130
    except errors.PortabilityError as error:
        call = error.__dict__.get("portability_call")
        return _told(error, call)
    except OSError as error:
        return _unwritable(error, argv)
    except Exception as error:  # noqa: BLE001 - the last word about a bug
        return _crashed(error)
    return code if isinstance(code, int) else DONE


def _told(error: errors.PortabilityError, call: Call | None) -> int:
    screen = call.screen if call else Screen(Asked())
    code = exit_code(error, wrote=bool(call and call.wrote))
    screen.error(error, code)
    return code


def _usage(error: Any, argv: Sequence[str]) -> int:  # noqa: ANN401 - the parser's own error
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(error.ctx.get_help() + "\n")
        return DONE
    path = error.ctx.command_path if getattr(error, "ctx", None) else "portability"
    mistake = errors.UsageMistake(error.format_message(), next=f"{path} --help")
    Screen(_guessed(argv)).error(mistake, USAGE)
    return USAGE


def _guessed(argv: Sequence[str]) -> Asked:
    """Whether a program reads, where the command line itself could not be parsed."""
    from portability.cli.asked import Output

    words = [*argv]
    for before, word in zip(["", *words], words, strict=False):
        text = (
            word.removeprefix("--output=")
            if word.startswith("--output=")
            else word
            if before in ("-o", "--output")
            else ""
        )
        if text in (Output.JSON.value, Output.JSONL.value):
            return Asked(output=Output(text))
    return Asked()


def _unwritable(error: OSError, argv: Sequence[str]) -> int:
    call = error.__dict__.get("portability_call")
    where = error.filename or "standard output"
    told = errors.CannotWriteFile(f"{where}: {error.strerror}", next="make room, or write elsewhere")
    if call is not None and call.wrote:
        told.changed = f"The run itself is journaled; see: portability status {call.run}"
    with contextlib.suppress(OSError):
        Screen(call.asked if call else _guessed(argv)).error(told, REFUSED)
    forget(sys.stdout)
    return REFUSED


def _crashed(error: Exception) -> int:
    call: Call | None = error.__dict__.get("portability_call")
    file, text = write_crash(error, run=call.run if call else None)
    screen = call.screen if call else Screen(Asked())
    about = f" in run {call.run}" if call and call.run else ""
    kept = f"what is known is in {file}" if file else "no file could be written about it"
    told = errors.PortabilityError(
        f"internal error {type(error).__name__}{about}: this is a bug; {kept}",
        next=f"portability resume {call.run}, and report the file" if call and call.run else "report the file",
        changed="What was done is journaled." if call and call.wrote else "Nothing was changed.",
    )
    screen.error(told, BUG)
    if screen.asked.verbose:
        screen.err.write(text)
    return BUG


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        forget(sys.stdout)
    except OSError as error:
        return _unwritable(error, [])
    return code


def main() -> None:
    """The console script."""
    code = run_cli(sys.argv[1:])
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    sys.exit(code)


if __name__ == "__main__":
    main()
