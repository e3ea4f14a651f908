"""The command line: parse, call, print, exit code; nothing else."""

from __future__ import annotations

import atexit
import functools
import gc
import inspect
import os
import sys
import threading
from dataclasses import MISSING, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast, get_type_hints

import typer
import typer.core

from cyborg_ingest import __version__
from cyborg_ingest.errors import ExitCode, IngestError
from cyborg_ingest.output import streams
from cyborg_ingest.output.streams import say, say_traceback, shown
from cyborg_ingest.settings import environment, spelled
from cyborg_ingest.settings.options import (
    CreateIndexSettings,
    CreateSettings,
    InspectSettings,
    LoadSettings,
    OutputSettings,
    Settings,
    TargetSettings,
    VerifySettings,
    declarations,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cyborg_ingest.facts import Event
    from cyborg_ingest.loading.report import RunReport
    from cyborg_ingest.settings.options import Declaration

DEFAULT_TARGET = "disk:~/.cyborgdb/data"
"""Where the service looks too; assumed on a terminal only."""


class Command(typer.core.TyperCommand):
    """A command whose help lists its options under the headings that `settings` gives them, in plain text.

    rich would draw frames around them, and its markup takes longer to import than all the rest.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write them by heading; what has none comes first."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                heading = getattr(parameter, "rich_help_panel", None)
                heading = heading or ("Arguments" if parameter.param_type_name == "argument" else "Options")
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


_UsageFault = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])
"""What the parser raises at a wrong command line; where its class lives depends on Typer's release."""


class Group(typer.core.TyperGroup):
    """All commands. What the parser says of a wrong command line is shown like every other error."""

    def main(self, *arguments: Any, **more: Any) -> Any:
        """Parse, call, and end the process."""
        try:
            code = super().main(*arguments, **{**more, "standalone_mode": False})
        except _UsageFault as error:
            context = getattr(error, "ctx", None)
            for text in environment.misspelled(os.environ):
                say(f"note      {text}", err=True)
            if context is not None:
                say(*context.get_usage().splitlines(), f"Try '{context.command_path} --help' for help.", "", err=True)
            say(f"Error: {_lost_variable() or error.format_message()}", err=True)
            code = error.exit_code
        except typer.Abort:
            say("stopped", err=True)
            code = ExitCode.INTERRUPTED
        sys.exit(code)


def _lost_variable() -> str | None:
    """What is said of an empty variable: the parser takes it for an absent one, and misses the option."""
    try:
        environment.refuse_empty(os.environ)
    except IngestError as error:
        return str(error)
    return None


app = typer.Typer(
    name="cyborg-ingest",
    cls=Group,
    help="Load vectors into CyborgDB from files, pipes and buckets: every row accounted for.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
index_app = typer.Typer(name="index", help="Create, look at, list, train and delete indexes.", no_args_is_help=True)
app.add_typer(index_app)

_S = TypeVar("_S", bound=Settings)
_INDEX = Annotated[
    str, typer.Option("--index", metavar="NAME", envvar=environment.INDEX_VARIABLE, help="Name of the index.")
]
_NAME = Annotated[str, typer.Argument(metavar="NAME", help="Name of the index.")]
_SOURCES = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE",
        help="Files, directories, patterns, @lists, - (standard input), s3://, gs:// and abfs:// objects.",
        show_default=False,
    ),
]


def _takes(*groups: type[Settings]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options that these settings classes declare; it gets them as keywords."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        own = [
            parameter
            for parameter in inspect.signature(function, eval_str=True).parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        options = {parameter.name: parameter for group in groups for parameter in _parameters(group)}

        @functools.wraps(function)
        def command(**arguments: Any) -> None:
            code = _guarded(function, arguments, has_display=OutputSettings in groups)
            if code:
                raise typer.Exit(code)

        everything = [*own, *(one for one in options.values() if one.name not in {two.name for two in own})]
        command.__signature__ = inspect.Signature(everything)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in everything}
        del command.__wrapped__  # or the original's signature is taken instead
        return command

    return decorate


def _guarded(function: Callable[..., ExitCode | None], arguments: dict[str, Any], *, has_display: bool) -> ExitCode:
    """Call a command; every error ends here, in one or two lines and an exit code.

    `has_display`: the command says itself what is wrong with the environment.
    """
    from cyborg_ingest.loading.stopping import Stopper  # noqa: PLC0415
    from cyborg_ingest.stop import Stop  # noqa: PLC0415 - `--help` needs none of this

    try:
        environment.refuse_empty(os.environ)
        for text in () if has_display else environment.misspelled(os.environ):
            say(f"note      {text}", err=True)
        with Stopper(Stop(drain_seconds=0)).listening():
            return ExitCode(function(**arguments) or 0)
    except IngestError as error:
        say(f"error     {error}", err=True)
        if arguments.get("verbose"):
            say_traceback()
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        say("stopped", err=True)
        return ExitCode.INTERRUPTED
    except typer.Exit:
        raise
    except Exception:  # noqa: BLE001 - a bug: said so, with all that helps to mend it
        say_traceback()
        say("This is a bug in cyborg-ingest. Please report it with the lines above.", err=True)
        return ExitCode.BUG


def _parameters(group: type[Settings]) -> Iterator[inspect.Parameter]:
    kinds = get_type_hints(group)
    declared = declarations(group)
    for item in fields(group):
        if item.name in declared and item.default is not MISSING:
            option, default = _option(declared[item.name], kinds[item.name], item.default)
            yield inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)


def _option(declared: Declaration, kind: Any, default: Any) -> tuple[Any, Any]:
    extra: dict[str, Any] = {"help": declared.help, "envvar": declared.env, "rich_help_panel": declared.panel}
    if declared.choices:
        kind = Literal[declared.choices]
    if declared.metavar:
        extra["metavar"] = declared.metavar
    if declared.repeats:  # the parser would split the variable's value at blanks: see `_settings`
        extra |= {"envvar": None, "help": f"{declared.help} [env var: {declared.env}, one a line]"}
        return Annotated[list[str], typer.Option(declared.flag, show_default=False, **extra)], []
    if kind == tuple[str, ...]:  # a comma-separated list, as text until `_settings`
        return Annotated[str, typer.Option(declared.flag, show_default=False, **extra)], ""
    if kind is bool:
        return Annotated[bool, typer.Option(declared.flag, **extra)], default
    return Annotated[kind, typer.Option(declared.flag, show_default=default is not None, **extra)], default


def _settings(kind: type[_S], arguments: dict[str, Any]) -> _S:
    """The settings object of a command's arguments. Raises UsageError."""
    hints, declared = get_type_hints(kind), declarations(kind)
    values = {item.name: arguments[item.name] for item in fields(kind) if item.name in arguments}
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value) or environment.one_a_line(os.environ.get(declared[name].env or "", ""))
        if hints[name] == tuple[str, ...] and isinstance(value, str):
            values[name] = tuple(part.strip() for part in value.split(",") if part.strip())
    if issubclass(kind, TargetSettings) and _at_terminal():
        values["target"] = DEFAULT_TARGET if values["target"] is None else values["target"]
        values |= {"at_terminal": True} if issubclass(kind, CreateSettings) else {}
    return kind(**values)


def _command(*command: str, of: Iterable[Settings]) -> list[str]:
    """The command line that does the same again, from any directory."""
    return ["cyborg-ingest", *command, *spelled.words(*of)]


def _print_json(value: Any) -> None:
    import json  # noqa: PLC0415 - `--help` needs none of this

    from cyborg_ingest.settings.scrubbing import KNOWN  # noqa: PLC0415

    sys.stdout.write(json.dumps(KNOWN.scrubbed(value), indent=2) + "\n")
    sys.stdout.flush()


def _at_terminal() -> bool:
    from cyborg_ingest.output.display import is_terminal  # noqa: PLC0415 - `--help` needs none of this

    return is_terminal(sys.stderr)


def _say(event: Event) -> None:
    """What commands without a display of their own have to say: notes, and each failure that is waited out."""
    from cyborg_ingest.facts import Noted, Retrying  # noqa: PLC0415
    from cyborg_ingest.output import wording  # noqa: PLC0415 - `--help` needs none of this

    if isinstance(event, Noted):
        say(wording.note(event), err=True)
    elif isinstance(event, Retrying):
        say(wording.retry(event), err=True)


def _print_version(value: bool) -> None:
    if value:
        say(f"cyborg-ingest {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(cls=Command)
@_takes(LoadSettings, OutputSettings)
def upsert(*, sources: _SOURCES, index: _INDEX, **arguments: Any) -> ExitCode:
    """Load files into an index: new rows are inserted, rows of a known id are replaced whole."""
    from cyborg_ingest.facts import Ended, Noted  # noqa: PLC0415
    from cyborg_ingest.loading.loader import run  # noqa: PLC0415
    from cyborg_ingest.output.display import make_display  # noqa: PLC0415 - `--help` needs none of this

    output = _settings(OutputSettings, arguments)
    settings = _settings(LoadSettings, {**arguments, "sources": tuple(sources), "index": index})
    reports: list[RunReport] = []

    def emit(event: Event) -> None:
        reports.extend([event.report] if isinstance(event, Ended) else [])
        display(event)

    try:
        with make_display(output.progress, verbose=output.verbose) as display:
            for text in environment.misspelled(os.environ):
                display(Noted(text))
            again = _command("upsert", *map(spelled.source, sources), "--index", index, of=(settings, output))
            report = run(settings, emit, command=again)
    finally:  # whatever ended it, a bug included
        if output.json:
            for one in reports:
                _print_json(one.to_dict())
    return ExitCode(report.exit_code)


@app.command(cls=Command)
@_takes(VerifySettings)
def verify(
    *,
    sources: _SOURCES,
    index: _INDEX,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    **arguments: Any,
) -> ExitCode:
    """Compare an index with the files it was loaded from; exit code 5 where a row differs."""
    from cyborg_ingest.check.verifier import verify as compare  # noqa: PLC0415

    settings = _settings(VerifySettings, {**arguments, "sources": tuple(sources), "index": index})
    result = compare(settings, emit=_say)
    if json_output:
        _print_json(result)
    else:
        say(result["text"])
        for one in result.get("examples", ()):
            say(f"{one['file']}, row {one['row']}, id {one['id']!r}: {', '.join(one['differs'])}")
    return ExitCode.DIFFERENT if result["differences"] else ExitCode.OK


@app.command("inspect", cls=Command)
@_takes(InspectSettings)
def inspect_sources(*, sources: _SOURCES, **arguments: Any) -> ExitCode:
    """Say what files are like and what is wrong with them, without an index; exit code 1 where something is."""
    from cyborg_ingest.check.inspecting import inspect as look  # noqa: PLC0415 - `--help` needs none of this
    from cyborg_ingest.output.portrait import portrait  # noqa: PLC0415

    settings = _settings(InspectSettings, {**arguments, "sources": tuple(sources)})
    found = look(settings, _say)
    if settings.json:
        _print_json(found.to_dict())
    else:
        encoding = sys.stdout.encoding or "ascii"
        say(*portrait(found, bar="\N{FULL BLOCK}" if "utf" in encoding.lower() else "#"))
    return ExitCode.REJECTED if found.findings else ExitCode.OK


@index_app.command("create", cls=Command)
@_takes(CreateIndexSettings, TargetSettings)
def create_index(name: _NAME, **arguments: Any) -> None:
    """Create an index; without a key, one is made and kept, and its path printed."""
    from cyborg_ingest.targets.manage import create  # noqa: PLC0415

    settings = _settings(CreateIndexSettings, arguments)
    say(create(settings, name, _say, command=_command("index", "create", name, of=(settings,))))


@index_app.command("info", cls=Command)
@_takes(TargetSettings)
def index_info(
    name: _NAME,
    *,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    **arguments: Any,
) -> None:
    """Show an index: dimension, metric, rows, training."""
    from cyborg_ingest.targets.manage import info  # noqa: PLC0415

    found = info(_settings(TargetSettings, arguments), name, _say)
    if json_output:
        _print_json(found)
        return
    for label, value in found.items():
        say(f"{label:<16}{value}")


@index_app.command("list", cls=Command)
@_takes(TargetSettings)
def list_indexes(**arguments: Any) -> None:
    """List the names of all indexes of a target."""
    from cyborg_ingest.targets.manage import names  # noqa: PLC0415

    for name in names(_settings(TargetSettings, arguments), _say):
        say(name)


@index_app.command("train", cls=Command)
@_takes(TargetSettings)
def train_index(name: _NAME, **arguments: Any) -> None:
    """Train an index, so that queries on many rows are fast. Blocks until it is done."""
    from cyborg_ingest.targets.manage import train  # noqa: PLC0415

    say(train(_settings(TargetSettings, arguments), name, _say))


@index_app.command("delete", cls=Command)
@_takes(TargetSettings)
def delete_index(
    name: _NAME,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    **arguments: Any,
) -> None:
    """Delete an index with all its rows. Asks first; without a terminal, --yes is needed."""
    from cyborg_ingest.errors import UsageError  # noqa: PLC0415
    from cyborg_ingest.targets.manage import delete, info  # noqa: PLC0415

    settings = _settings(TargetSettings, arguments)
    found = info(settings, name, _say)
    if not yes:
        if not (sys.stdin and sys.stdin.isatty() and _at_terminal()):
            raise UsageError(f"Deleting index {name!r} needs --yes where nobody can be asked.")
        question = f"Delete index {name!r} in {found['target']} with its {found['rows']:,} rows?"
        typer.confirm(shown(question), abort=True, err=True)
    once = replace(settings, allow_plain_http=True)  # the note on it was just shown
    say(delete(once, name, _say))


_GIVEN_UP = ("sender", "reader", "looker")
"""How the threads are named that may be left behind."""


_GARBAGE = 20_000
"""So many objects are made before those among them are looked for that nobody can reach; Python's own number is 700."""


def main() -> None:
    """The console script. Ends the process with an exit code of `errors.ExitCode`."""
    # nothing here multiplies matrices, and the threads that numpy's OpenBLAS would start take turns in spinning
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # what is imported is never garbage; to look for some in it took a tenth of the time of a short command
    gc.set_threshold(_GARBAGE)
    atexit.register(gc.freeze)
    streams.make_unbreakable()
    try:
        app(prog_name="cyborg-ingest")
    except SystemExit as done:
        lost = streams.why_lost(sys.stdout)
        if lost is not None:
            say(f"note      Not all of the result could be written to standard output: {lost}.", err=True)
        if any(thread.name.startswith(_GIVEN_UP) for thread in threading.enumerate()):
            # what a stop has given up, a request or a silent source, would be waited for at the end of the process
            os._exit(done.code if isinstance(done.code, int) else ExitCode.BUG)
        raise


if __name__ == "__main__":
    main()
