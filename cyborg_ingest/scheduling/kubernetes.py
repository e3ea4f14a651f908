"""A job as a CronJob of Kubernetes, and the volume on which it remembers what it has loaded.

Where its state is kept in a bucket there is no volume; and who follows a pod that was killed waits for its lock.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from cyborg_ingest.scheduling.times import cron_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.scheduling.scheduled import Scheduled

_CONFIG = "/etc/cyborg-ingest"
_FILE = "cyborg-ingest.toml"
_SECRETS = "/run/secrets"
_STATE = "/state"
_USER = 65532

_REMARK = """\
# Kubernetes takes no exit code but 0 for a success, and would run it again: the nothing-new-exit of the job is 0 here.
"""

_CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {name}-state
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 1Gi
---
"""
_CLAIMED = """\
              persistentVolumeClaim:
                claimName: {name}-state
"""
_COPY = """\
              emptyDir: {}
"""
"""What is kept elsewhere has its copy there for as long as the pod lives."""

_MANIFESTS = """\
# kubectl create configmap {name} --from-file={file}={config}
# kubectl create secret generic {name}{key_files}
{remark}{claim}apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
spec:
  schedule: {schedule}
  timeZone: Etc/UTC
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  jobTemplate:
    spec:
      backoffLimit: 6
      podFailurePolicy:
        rules:
          - action: FailJob
            onExitCodes:
              containerName: load
              operator: In
              values: {codes}
      template:
        spec:
          restartPolicy: Never
          terminationGracePeriodSeconds: {grace}
          automountServiceAccountToken: false
          securityContext:
            runAsNonRoot: true
            runAsUser: {user}
            runAsGroup: {user}
            fsGroup: {user}
            fsGroupChangePolicy: OnRootMismatch
            seccompProfile:
              type: RuntimeDefault
          containers:
            - name: load
              image: {image}
              command: [cyborg-ingest]
              args: {arguments}
              env:
                - name: CYBORG_INGEST_STATE_DIR
                  value: {state}
{variables}              resources:
                requests:
                  memory: 512Mi
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities:
                  drop: [ALL]
              volumeMounts:
                - name: config
                  mountPath: {folder}
                  readOnly: true
                - name: keys
                  mountPath: {secrets}
                  readOnly: true
                - name: state
                  mountPath: {state}
                - name: tmp
                  mountPath: /tmp
          volumes:
            - name: config
              configMap:
                name: {name}
            - name: keys
              secret:
                secretName: {name}
                defaultMode: 0440
            - name: state
{volume}            - name: tmp
              emptyDir: {{}}
"""


def manifests(job: Scheduled, image: str) -> str:
    """The manifests, behind comments that say where configuration and keys come from. Raises UsageError."""
    plain = ("--nothing-new-exit", "0") if job.nothing_new_exit else ()
    waits = ("--lock-wait", "5m") if job.state_uri and not job.lock_wait else ()
    return _MANIFESTS.format(
        name=job.name,
        file=_FILE,
        config=shlex.quote(str(job.config)),
        key_files="".join(f" --from-file={name}={shlex.quote(path)}" for name, path in _key_files(job)),
        remark=_REMARK if plain else "",
        claim="" if job.state_uri else _CLAIM.format(name=job.name),
        volume=_COPY if job.state_uri else _CLAIMED.format(name=job.name),
        schedule=_quoted(cron_time(job.at)),
        codes=list(job.final_codes),
        grace=job.stop_seconds,
        user=_USER,
        image=_quoted(image),
        arguments="[" + ", ".join(map(_argument, job.arguments(f"{_CONFIG}/{_FILE}", *plain, *waits))) + "]",
        variables="".join(_variables(job)),
        folder=_CONFIG,
        secrets=_SECRETS,
        state=_STATE,
    )


def _key_files(job: Scheduled) -> Iterator[tuple[str, str]]:
    """The names that keys have where containers find them, and the files that they are taken from."""
    yield "cyborg-ingest-index-key", str(job.index_key_file or "INDEX-KEY-FILE")
    if not job.is_embedded:
        yield "cyborg-ingest-api-key", str(job.api_key_file or "API-KEY-FILE")


def _variables(job: Scheduled) -> Iterator[str]:
    """A file of a key that the configuration names is elsewhere in the container; a variable goes before it."""
    for variable, file in (("INDEX_KEY", job.index_key_file), ("API_KEY", job.api_key_file)):
        if file is not None:
            name = f"CYBORG_INGEST_{variable}"
            path = f"{_SECRETS}/{name.lower().replace('_', '-')}"
            yield f"                - name: {name}_FILE\n                  value: {path}\n"


def _argument(text: str) -> str:
    """A word of the command; $(NAME) in it would be a variable."""
    return _quoted(text.replace("$", "$$"))


def _quoted(text: str) -> str:
    """A text of YAML, which has JSON's among its own."""
    return json.dumps(text, ensure_ascii=False)
