"""Options that say who hears of a load: that it began, and how it ended."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cyborg_ingest.errors import UsageError
from cyborg_ingest.settings.declaring import Settings, option
from cyborg_ingest.settings.keycommands import words_of
from cyborg_ingest.settings.options import panels
from cyborg_ingest.smallfiles import read_small

_LONGEST_ADDRESS = 10_000


def _address(flag: str, *, is_service: bool = False) -> Callable[[Any], Any]:
    """What looks at an address before anything is sent there. Its errors do not show it: it is a secret.

    `is_service`: paths are added to it, and it may say who we are.
    """

    def looked_at(value: Any) -> Any:
        fault = _fault_of(value, is_service=is_service) if isinstance(value, str) else None
        if fault:
            raise UsageError(f"{flag} {fault}. It takes an address as in https://HOST/PATH.")
        return value

    return looked_at


def _fault_of(address: str, *, is_service: bool) -> str | None:  # noqa: PLR0911 - a table
    """What is wrong with an address, if something is."""
    if any(one.isspace() or not one.isprintable() for one in address):
        return "holds blanks or control characters"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return "is not an address"
    if parts.scheme not in {"http", "https"}:
        return "begins with neither http:// nor https://"
    if not is_service and (parts.username is not None or parts.password is not None):
        return "holds a user or a password, which are not sent"
    if not parts.hostname or port == 0:
        return "names no host, or no port of one"
    if is_service and parts.query:
        return "has a part behind ?, which is not sent"
    if parts.fragment:
        return "has a part behind #, which is not sent"
    return None


@dataclass(frozen=True, kw_only=True, eq=False)
class NotifySettings(Settings):
    """Who hears of a load. Addresses are secrets: whoever has one can say what this program would."""

    ping_url: str | None = option(
        None,
        "--ping-url",
        "Say here that a load begins (URL/start) and with which exit code it ended (URL/0), as healthchecks.io has it; "
        "with counts, and no rows. Not of a dry run.",
        panel=panels.HEARD,
        metavar="URL",
        parse=_address("--ping-url"),
        is_secret=True,
    )
    ping_url_file: Path | None = option(
        None,
        "--ping-url-file",
        "File with the address of --ping-url, which the process list then does not show.",
        panel=panels.HEARD,
        metavar="FILE",
    )
    webhook: str | None = option(
        None,
        "--webhook",
        "POST the report here as JSON at the end, whatever ended the load.",
        panel=panels.HEARD,
        metavar="URL",
        parse=_address("--webhook"),
        is_secret=True,
    )
    webhook_file: Path | None = option(
        None,
        "--webhook-file",
        "File with the address of --webhook, which the process list then does not show.",
        panel=panels.HEARD,
        metavar="FILE",
    )
    on_end: str | None = option(
        None,
        "--on-end",
        "Command that is run at the end, without a shell and for a minute at most, with CYBORG_INGEST_EXIT_CODE, "
        "CYBORG_INGEST_STATUS and CYBORG_INGEST_REPORT (a file) in its environment, and no key.",
        panel=panels.HEARD,
        metavar="COMMAND",
    )
    metrics_file: Path | None = option(
        None,
        "--metrics-file",
        "Write gauges of the run here for Prometheus (node_exporter's textfile collector), by job and index; others' "
        "stay. Extra: metrics.",
        panel=panels.HEARD,
        metavar="FILE",
    )
    pushgateway: str | None = option(
        None,
        "--pushgateway",
        "Push the same gauges to this Prometheus Pushgateway; a user and a password may stand in the address.",
        panel=panels.HEARD,
        metavar="URL",
        parse=_address("--pushgateway", is_service=True),
        is_secret=True,
    )
    pushgateway_file: Path | None = option(
        None,
        "--pushgateway-file",
        "File with the address of --pushgateway, which the process list then does not show.",
        panel=panels.HEARD,
        metavar="FILE",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.on_end is not None:
            words_of(self.on_end, "--on-end")
        for flag, address, file in self._addresses():
            if address is not None and file is not None:
                raise UsageError(f"{flag} and {flag}-file are both given, by options or variables: drop one.")

    def _addresses(self) -> Iterator[tuple[str, str | None, Path | None]]:
        yield "--ping-url", self.ping_url, self.ping_url_file
        yield "--webhook", self.webhook, self.webhook_file
        yield "--pushgateway", self.pushgateway, self.pushgateway_file

    @property
    def address_files(self) -> dict[str, Path]:
        """The files with addresses that are given, by the options that give them."""
        return {f"{flag}-file": file for flag, _, file in self._addresses() if file is not None}

    def address(self, flag: str) -> str | None:
        """The address of an option, by itself or from its file. Raises UsageError."""
        address, file = next((one[1:] for one in self._addresses() if one[0] == flag), (None, None))
        if file is None:
            return address
        try:
            text = read_small(file, _LONGEST_ADDRESS).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise UsageError(f"{flag}-file {file}: {why}.") from None
        _address(f"{flag}-file {file}", is_service=flag == "--pushgateway")(text)
        return text
