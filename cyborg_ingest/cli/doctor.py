"""`cyborg-ingest doctor`: whether a load of these options would find what it needs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cyborg_ingest.cli import configured
from cyborg_ingest.cli.command import Command, part_of_program
from cyborg_ingest.cli.options import settings_of, takes
from cyborg_ingest.cli.printed import print_json
from cyborg_ingest.errors import ConfigurationError, ExitCode, UsageError
from cyborg_ingest.output.streams import say
from cyborg_ingest.settings.configkeys import INDEX
from cyborg_ingest.settings.options import DoctorSettings

app = part_of_program("doctor")

JOB = Annotated[
    str | None, typer.Argument(metavar="JOB", help="Look at what this job of the configuration file needs.")
]
_FAULT = f"{__name__}.fault"


class _Tolerant(Command):
    """Of a configuration file that is wrong the command itself tells, beside all else."""

    def _defaults(self, ctx: Any, args: list[str]) -> dict[str, Any] | None:
        try:
            return super()._defaults(ctx, args)
        except ConfigurationError as error:
            ctx.meta[_FAULT] = error
            return None

    def _settle_keys(self, ctx: Any) -> None:
        try:
            super()._settle_keys(ctx)
        except UsageError as error:
            ctx.meta[_FAULT] = error


@app.command(cls=_Tolerant)
@takes(DoctorSettings, tells_of_environment=True)
def doctor(
    ctx: typer.Context,
    job: JOB = None,
    *,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    **arguments: Any,
) -> ExitCode:
    """Look at target, keys, index, clock, disk and all else that a load needs; exit code 2 or 3 where it would fail."""
    from cyborg_ingest.doctor.examination import Patient, examine  # noqa: PLC0415
    from cyborg_ingest.doctor.finding import exit_code  # noqa: PLC0415
    from cyborg_ingest.output import checkup  # noqa: PLC0415 - `--help` needs none of this

    found: configured.Configured | None = ctx.meta.get(configured.CONFIGURED)
    creates, fault = False, ctx.meta.get(_FAULT)
    if job is not None and fault is None and found is not None:
        try:
            layered = found.layered(job)
            arguments = configured.parsed(ctx, layered).params
            creates = "create" in layered and bool(layered["create"].value)
        except ConfigurationError as error:
            fault = error
    values = {name: value for name, value in arguments.items() if name not in {"job", "config", "profile"}}
    settings = settings_of(DoctorSettings, {INDEX: None, **values})
    findings = []
    for one in examine(Patient(settings, found.file if found else None, fault, creates)):
        findings.append(one)
        if not json_output:
            say(*checkup.line(one))
    code = exit_code(findings)
    if json_output:
        print_json(checkup.facts(findings, code))
    else:
        say("", checkup.summary(findings))
    return code
