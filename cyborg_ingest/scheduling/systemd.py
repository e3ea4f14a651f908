"""A job as a service of systemd that is locked in, and the timer that starts it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cyborg_ingest.scheduling.times import calendar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.scheduling.scheduled import Scheduled

_FOLDER = "/etc/systemd/system"
_PLAIN = re.compile(r"[A-Za-z0-9_./:=@,+-]+", re.ASCII)

_LOCKED_IN = """\
CapabilityBoundingSet=
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
UMask=0077
"""


def units(job: Scheduled, *, user: str | None, own_name: str) -> str:
    """Both units, each behind a comment with the file that it is for. `own_name`: who runs what writes files of theirs.

    Raises UsageError.
    """
    service, timer = f"{job.name}.service", f"{job.name}.timer"
    return (
        f"# {_FOLDER}/{service}\n{_service(job, user, own_name)}\n"
        f"# {_FOLDER}/{timer}\n{_timer(job)}\n"
        f"# systemctl daemon-reload && systemctl enable --now {timer}\n"
    )


def _service(job: Scheduled, user: str | None, own_name: str) -> str:
    codes = " ".join(map(str, job.final_codes))
    command = [_program(job.program), *map(_word, job.arguments(str(job.config))), *_key_words(job)]
    return "\n".join(
        [
            "[Unit]",
            f"Description=Job {_text(job.job)} of cyborg-ingest",
            "Wants=network-online.target",
            "After=network-online.target",
            "StartLimitIntervalSec=12h",
            "StartLimitBurst=6",
            "",
            "[Service]",
            "Type=oneshot",
            f"ExecStart={' '.join(command)}",
            "Restart=on-failure",
            "RestartSec=10min",
            f"RestartPreventExitStatus={codes}",
            *([f"SuccessExitStatus={job.nothing_new_exit}"] if job.nothing_new_exit else []),
            f"TimeoutStopSec={job.stop_seconds}",
            *_owner(job, user, own_name),
            *(f"LoadCredential={name}:{_text(str(path))}" for name, path in _keys(job)),
            _LOCKED_IN,
        ]
    )


def _timer(job: Scheduled) -> str:
    return "\n".join(
        [
            "[Unit]",
            f"Description=When job {_text(job.job)} of cyborg-ingest is run",
            "",
            "[Timer]",
            f"OnCalendar={calendar(job.at)}",
            "Persistent=true",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        ]
    )


def _owner(job: Scheduled, user: str | None, own_name: str) -> Iterator[str]:
    """Who runs it, and where it may write: a state directory of its own, if the job names none."""
    folders = [job.place, str(job.state_dir) if job.state_dir else None, *(str(file.parent) for file in job.written)]
    written = [path for path in dict.fromkeys(folders) if path]
    name = user or (own_name if written else None)
    yield f"User={_text(name)}" if name else "DynamicUser=yes"
    if job.state_dir is None:
        own = job.name.replace("cyborg-ingest-", "cyborg-ingest/", 1)
        yield f"StateDirectory={own}"
        yield "StateDirectoryMode=0700"
        yield f"Environment=CYBORG_INGEST_STATE_DIR=%S/{own}"
    yield from (f"ReadWritePaths={_word(path, is_command=False)}" for path in written)


def _keys(job: Scheduled) -> list[tuple[str, object]]:
    """Files of keys that the job names, which systemd reads and hands over."""
    files = (("api-key", job.api_key_file), ("index-key", job.index_key_file))
    return [(name, path) for name, path in files if path is not None]


def _key_words(job: Scheduled) -> list[str]:
    return [word for name, _ in _keys(job) for word in (f"--{name}-file", f"%d/{name}")]


def _text(text: str) -> str:
    """Text of a setting: a % begins a specifier."""
    return text.replace("%", "%%")


def _word(text: str, *, is_command: bool = True) -> str:
    """A word; of a command a $ begins a variable, even within quotes."""
    if _PLAIN.fullmatch(text):
        return text
    escaped = _text(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped.replace("$", "$$") if is_command else escaped}"'


def _program(path: str) -> str:
    """The program itself, which no variable can be in."""
    return _word(path, is_command=False)
