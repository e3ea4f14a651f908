"""Gauges for Prometheus of the last run of a job: in a file for node_exporter, and in a Pushgateway.

A push replaces what was there, so nothing is counted up. When a load last succeeded is left out of what those tell that
fail: so it outlives them.
"""

from __future__ import annotations

import base64
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from cyborg_ingest.errors import MissingExtraError, printable
from cyborg_ingest.output.hearers import Hearer
from cyborg_ingest.output.posting import Post, faults_of, keep_secret
from cyborg_ingest.output.textfile import updated
from cyborg_ingest.settings.hidden import hidden
from cyborg_ingest.settings.scrubbing import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cyborg_ingest.output.hearers import Ending, Subject
    from cyborg_ingest.settings.options import NotifySettings

UNNAMED = "cyborg-ingest"
"""The job of a load that has no name in the configuration file."""

PREFIX = "cyborg_ingest_"
LAST_SUCCESS = f"{PREFIX}last_success_timestamp_seconds"
_RUN = f"{PREFIX}last_run_"
_HELP = {
    LAST_SUCCESS: "When a load of this job last ended with exit code 0 or 1.",
    f"{_RUN}timestamp_seconds": "When a load of this job last ended, however it ended.",
    f"{_RUN}exit_code": "The exit code of the last run.",
    f"{_RUN}duration_seconds": "How long the last run took.",
    f"{_RUN}rows": "Rows of the last run: read, and of these acknowledged, rejected, skipped, unsent.",
    f"{_RUN}bytes": "Bytes of the last run: raw, of the rows that were acknowledged, and on the wire.",
}
_STATES = ("read", "acknowledged", "rejected", "skipped", "unsent")
_BYTES = ("raw", "wire")

_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
_WORD = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class Sample(NamedTuple):
    """A gauge with its labels, and its value."""

    name: str
    labels: Mapping[str, str]
    value: float


class Metrics(Hearer):
    """Writes them when a load has ended. Raises MissingExtraError."""

    name = "Prometheus"

    def __init__(self, settings: NotifySettings, subject: Subject) -> None:
        _check_there()
        self._file, self._gateway = settings.metrics_file, hidden(settings.address("--pushgateway"))
        if self._gateway is not None:
            keep_secret(self._gateway.reveal())
        self._labels = {"job": _label(subject.job or UNNAMED), "index": _label(subject.index)}

    def end(self, ending: Ending) -> Iterator[str]:
        """Write and push them; why that failed, if it did."""
        samples = list(samples_of(ending, time.time()))
        posts = []
        if self._gateway is not None:
            way, body = _grouping(self._labels), exposition(samples)
            posts = [Post("--pushgateway", "how the load ended", self._gateway, body, kind=_FORMAT, more=way)]
            posts[0].start()
        if self._file is not None:
            own = [one._replace(labels={**self._labels, **one.labels}) for one in samples]
            yield from updated(self._file, lambda text: exposition(merged(text, own, self._labels)))
        yield from faults_of(posts)


def samples_of(ending: Ending, now: float) -> Iterator[Sample]:
    """What is told of a run that has ended."""
    result = ending.result
    if ending.is_done:
        yield Sample(LAST_SUCCESS, {}, now)
    yield Sample(f"{_RUN}timestamp_seconds", {}, now)
    yield Sample(f"{_RUN}exit_code", {}, result["exit_code"])
    yield Sample(f"{_RUN}duration_seconds", {}, ending.seconds)
    for state in _STATES:  # what ended before it had a report has read nothing
        yield Sample(f"{_RUN}rows", {"state": state}, result.get("rows", {}).get(state, 0))
    for kind in _BYTES:
        yield Sample(f"{_RUN}bytes", {"kind": kind}, result.get("bytes", {}).get(kind, 0))


def merged(text: str, own: Iterable[Sample], labels: Mapping[str, str]) -> list[Sample]:
    """What stands in a file already, with the samples of one job and index replaced.

    Raises ValueError where something else stands in it than what this program writes.
    """
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - behind an extra

    found = list(own)
    names = {one.name for one in found}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            if one.name not in _HELP:
                raise ValueError(one.name)
            is_own = all(one.labels.get(name, "") == value for name, value in labels.items())
            if not is_own or one.name not in names:
                found.append(Sample(one.name, one.labels, one.value))
    return found


def exposition(samples: Iterable[Sample]) -> bytes:
    """Samples as Prometheus reads them."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - behind an extra
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    every = list(samples)
    families = []
    for name, text in _HELP.items():
        family = GaugeMetricFamily(name, text)
        for one in every:
            if one.name == name:
                family.add_sample(name, dict(one.labels), one.value)
        families += [family] if family.samples else []
    registry: Any = CollectorRegistry()
    registry.collect = lambda: families
    read_by_prometheus: bytes = generate_latest(registry)
    return read_by_prometheus


def _grouping(labels: Mapping[str, str]) -> str:
    """Where a Pushgateway keeps what has these labels; a value that is not a plain word is spelled in base64."""
    parts = []
    for name, value in labels.items():
        if _WORD.fullmatch(value):
            parts.append(f"/{name}/{value}")
        else:  # an empty one is a single sign, since a path cannot have an empty part
            parts.append(f"/{name}@base64/{base64.urlsafe_b64encode(value.encode()).decode() or '='}")
    return "/metrics" + "".join(parts)


def _label(text: str) -> str:
    """A text as a label has it: people read it, too, so what a terminal would obey is shown."""
    return printable(KNOWN.scrub(text))


def _check_there() -> None:
    try:
        import prometheus_client  # noqa: F401, PLC0415 - behind an extra
    except ImportError as error:
        raise MissingExtraError(
            f"Metrics are written by prometheus_client, which is not installed ({error}). Install it with pip install "
            "'cyborg-ingest[metrics]', or leave --metrics-file and --pushgateway out."
        ) from None
