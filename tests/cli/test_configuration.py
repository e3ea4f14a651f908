"""Options from the configuration file: which counts, what is refused, and the jobs that it has."""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from advised import says
from commands import ran

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

ROWS = "".join(json.dumps({"id": f"r{n}", "vector": [1.0, float(n)]}) + "\n" for n in range(5))
FILE = "cyborg-ingest.toml"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with rows in it, of a user without options anywhere else."""
    for name in [one for one in os.environ if one.startswith("CYBORG_INGEST_")]:
        if not name.startswith("CYBORG_INGEST_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CYBORG_INGEST_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CYBORG_INGEST_STATE_DIR", str(tmp_path / "state"))
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "rows.jsonl").write_text(ROWS)
    (folder / "key").write_text("ab" * 32)
    monkeypatch.chdir(folder)
    return folder


def written(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / FILE).write_text(text)
    return folder / FILE


def told(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stdout + done.stderr).split())


def shown(*words: str, **environment: str) -> dict[str, Any]:
    """What `config show` says of each option: its value, and where that is from."""
    done = ran("config", "show", *words, "--json", **environment)
    assert done.returncode == 0, done.stderr
    return {name: (one["value"], one["from"]) for name, one in json.loads(done.stdout).items()}


JOB = """
    target = "disk:db"
    index-key-file = "key"
    [job.rows]
    sources = ["rows.jsonl"]
    index = "i"
    create = true
"""


def test_a_job_is_loaded_as_its_section_says(here: Path) -> None:
    written(here, JOB + "batch_rows = 2")
    done = ran("run", "rows", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["rows"]["acknowledged"], report["requests"]) == (0, 5, 3)
    assert report["target"] == f"disk:{here / 'db'}"


def test_what_is_nearer_counts(here: Path) -> None:
    layers = {
        "default": "",
        "the file": "timeout = 1",
        "[profile.base]": '[profile.base]\ntimeout = 2\n[profile.p]\ninherit = "base"\n[job.j]\nprofile = "p"\n',
        "[profile.p]": "",
        "[job.all]": "",
        "[job.j]": "",
    }
    assert shown()["timeout"] == (300.0, "default")
    written(here, layers["the file"])
    assert shown()["timeout"] == (1.0, "the file")
    written(here, f"{layers['the file']}\n{layers['[profile.base]']}")
    assert shown("j")["timeout"] == (2.0, "[profile.base]")
    assert shown("--profile", "p")["timeout"] == (2.0, "[profile.base]")
    rest = '[profile.base]\ntimeout = 2\n[profile.p]\ninherit = ["base"]\ntimeout = 3\n[job.j]\nprofile = "p"\n'
    written(here, f"timeout = 1\n{rest}")
    assert shown("j")["timeout"] == (3.0, "[profile.p]")
    written(here, f'timeout = 1\n{rest}inherit = "all"\n[job.all]\ntimeout = 4\n')
    assert shown("j")["timeout"] == (4.0, "[job.all]")
    written(here, f'timeout = 1\n{rest}inherit = "all"\ntimeout = 5\n[job.all]\ntimeout = 4\n')
    assert shown("j")["timeout"] == (5.0, "[job.j]")
    assert shown("j", CYBORG_INGEST_TIMEOUT="6")["timeout"] == (6.0, "CYBORG_INGEST_TIMEOUT")
    assert shown("j", "--timeout", "7", CYBORG_INGEST_TIMEOUT="6")["timeout"] == (7.0, "--timeout")


def test_an_option_with_a_value_a_line_goes_by_the_same_order(here: Path) -> None:
    written(here, 'set = ["a=1", "b=x y"]')
    assert shown()["set"] == (["a=1", "b=x y"], "the file")
    assert shown(CYBORG_INGEST_SET="c=2\nd=x y")["set"] == (["c=2", "d=x y"], "CYBORG_INGEST_SET")
    assert shown("--set", "e=3", CYBORG_INGEST_SET="c=2")["set"] == (["e=3"], "--set")
    written(here, 'set = "a=1"\nmetadata-columns = ["a", "b"]\nheader = false')
    assert (shown()["set"], shown()["header"]) == ((["a=1"], "the file"), (False, "the file"))
    assert shown()["metadata-columns"] == ("a,b", "the file")


def test_profile_by_option_goes_before_that_of_the_job(here: Path) -> None:
    written(here, '[profile.a]\nretries = 1\n[profile.b]\nretries = 2\n[job.j]\nprofile = "a"\n')
    assert shown("j")["retries"] == (1, "[profile.a]")
    assert shown("j", "--profile", "b")["retries"] == (2, "[profile.b]")
    assert shown("j", CYBORG_INGEST_PROFILE="b")["retries"] == (2, "[profile.b]")


def test_every_command_takes_the_file(here: Path) -> None:
    written(here, JOB)
    assert ran("run", "rows").returncode == 0
    assert ran("verify", "rows.jsonl", "--index", "i").returncode == 0
    assert ran("index", "list").stdout.split() == ["i"]
    assert ran("inspect", "rows.jsonl", "--index", "i").returncode == 0
    done = ran("upsert", "rows.jsonl", "--index", "i", "--dry-run")
    assert done.returncode == 0
    assert str(here / FILE) in told(done)
    says(told(done), "Options come from {}{}; `{}` lists them.")
    assert "`config show` lists them." in told(done)
    assert ran("config", "show").returncode == 0
    done = ran("run", "rows", "--restart")
    assert f"Options come from {here / FILE} ([job.rows]); `config show rows` lists them." in told(done)


def test_the_file_is_looked_for_here_then_at_home_unless_it_is_named(here: Path, tmp_path: Path) -> None:
    written(tmp_path / "config", "retries = 1")
    assert shown()["retries"] == (1, "the file")
    written(here, "timeout = 9")
    assert (shown()["retries"], shown()["timeout"]) == ((8, "default"), (9.0, "the file"))
    named = written(tmp_path / "else", "retries = 3")
    assert shown("--config", str(named))["retries"] == (3, "the file")
    assert shown(CYBORG_INGEST_CONFIG=str(named))["retries"] == (3, "the file")
    done = ran("config", "show", "--config", str(tmp_path / "none.toml"))
    assert done.returncode == 2
    says(told(done), "{}: there is no such file. --config names the configuration file.")


def test_a_file_that_is_asked_for_is_named(here: Path, tmp_path: Path) -> None:
    named = written(
        tmp_path / "else", JOB.replace('"rows.jsonl"', f'"{here / "rows.jsonl"}"').replace('"key"', '"../work/key"')
    )
    done = ran("config", "validate")
    assert done.returncode == 2
    says(told(done), "There is no configuration file here. Name it with --config.")
    assert ran("config", "validate", "--config", str(named)).returncode == 0
    done = ran("run", "rows")
    assert done.returncode == 2
    says(told(done), "There is no configuration file with {}: neither {}. Name it: --config.")
    assert ran("run", "rows", "--config", str(named)).returncode == 0


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="root alone gives files away")
def test_a_file_of_another_user_is_refused_where_it_was_only_found(here: Path) -> None:
    path = written(here, "retries = 1")
    os.chown(path, 4321, -1)
    done = ran("config", "show")
    assert done.returncode == 2
    says(told(done), "{}: it belongs to another user. If you trust it, name it: --config {}.")
    assert shown("--config", str(path))["retries"] == (1, "the file")


def test_a_key_that_stands_in_the_file_is_told_where_it_belongs(here: Path) -> None:
    written(here, f"index-key = '{'ab' * 32}'")
    done = ran("config", "validate")
    says(told(done), "{}: a key does not stand in this file. Name its file with {}-file, or set {}.")
    assert "Name its file with index-key-file, or set CYBORG_INGEST_INDEX_KEY." in told(done)
    written(here, JOB.replace('index-key-file = "key"', ""))
    assert ran("run", "rows", CYBORG_INGEST_INDEX_KEY="ab" * 32).returncode == 0
    written(here, JOB)
    assert ran("run", "rows").returncode == 0


def test_paths_begin_at_the_file(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(here, JOB)
    monkeypatch.chdir(tmp_path)
    found = shown("rows", "--config", "work/cyborg-ingest.toml")
    assert found["sources"] == ([str(here / "rows.jsonl")], "[job.rows]")
    assert found["target"] == (f"disk:{here / 'db'}", "the file")
    assert found["index-key-file"] == (str(here / "key"), "the file")
    assert ran("run", "rows", "--config", "work/cyborg-ingest.toml").returncode == 0


def test_variables_are_filled_in(here: Path) -> None:
    written(here, 'target = "disk:${PLACE}"\nid-prefix = "${WHO:-nobody}-$$"\n')
    assert shown(PLACE="/data")["target"] == ("disk:/data", "the file")
    assert shown(PLACE="/data")["id-prefix"] == ("nobody-$", "the file")
    assert shown(PLACE="/data", WHO="me")["id-prefix"] == ("me-$", "the file")


def test_what_is_secret_in_an_address_is_not_shown(here: Path) -> None:
    target, sources = "https://me:pa55word@db.example", ["s3://AKIA:S3CR3T@bucket/x", "https://a.example/y?sig=S1GN"]
    written(here, f'target = "{target}"\n[job.j]\nsources = {sources}\nindex = "i"\n')
    for words in (("config", "show", "j"), ("config", "show", "j", "--json"), ("run", "j")):
        done = ran(*words)
        assert not {word for word in ("pa55word", "S3CR3T", "S1GN") if word in done.stdout + done.stderr}
    assert shown("j")["target"] == ("https://***@db.example", "the file")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("retry = 3", "retry: there is no such option. Is it 'retries'?"),
        ("[job.j]\nindx = 'i'", "[job.j] indx: there is no such option. Is it 'index'?"),
        ("sources = ['x']", "sources: there is no such option"),
        ("[jobs.x]\nindex = 'i'", "jobs: there is no such option. Is it 'job'?"),
        ("retries = -1", "retries: --retries is -1; it must be at least 0."),
        ("retries = 'many'", "retries: retries is str, not int"),
        ("verify = 'all'", "verify: --verify is 'all'; it takes none, count, sample, full."),
        ("insecure = 'yes'", "insecure: insecure is str, not bool"),
        ("batch-rows = 1\nbatch_rows = 2", "batch_rows is there twice"),
        ("target = ", "it is not TOML"),
        ("target = '${NOT_SET_ANYWHERE}'", "the variable NOT_SET_ANYWHERE is not set. Set it, or write"),
        ("target = '${EMPTY_ONE}'", "the variable EMPTY_ONE is set, and empty. Set it, or write"),
        ("target = '${not a name}'", "begins a variable, as in ${NAME}"),
        (f"index-key = '{'ab' * 32}'", "a key does not stand in this file. Name its file with index-key-file"),
        ("api_key = 'x'", "a key does not stand in this file. Name its file with api-key-file"),
        (f"index-key-file = '{'ab' * 32}'", "its value is a key of 32 bytes"),
        (f"set = ['k={'ab' * 32}']\nid-prefix = '{'ab' * 32}'", "its value is a key of 32 bytes"),
        ("job = 3", "job is not an option: a job is a section, [job.NAME]"),
        ("[profile.a]\ninherit = 'b'\n[profile.b]\ninherit = 'a'", "inherits itself, by a -> b -> a"),
        ("[profile.a]\ninherit = 'c'\n[profile.cc]\n", "[profile.a] inherits 'c'. Is it 'cc'?"),
        ("[job.j]\nindex = 'i'", "[job.j] has no sources"),
        ("[job.j]\nsources = 'x'", "[job.j] has no index"),
        ("[job.j]\nsources = []\nindex = 'i'", "sources: it takes a list of texts."),
        ("[job.-x]\nsources = 'a'\nindex = 'i'", "[job.-x] begins with -, as options do. Give it another name."),
        ("[job.j]\nprofile = 'p'", "there is no [profile.p]. It has no profile."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_file_is_said_with_its_place(text: str, said: str, here: Path) -> None:
    path = written(here, text)
    done = ran("config", "validate", EMPTY_ONE="")
    assert done.returncode == 2
    assert said in told(done)
    assert str(path) in told(done)
    assert "ab" * 32 not in done.stdout + done.stderr


def test_a_file_is_valid_if_every_section_is(here: Path) -> None:
    written(here, JOB + "[profile.p]\nretries = 2\n")
    done = ran("config", "validate")
    assert (done.returncode, done.stdout) == (0, f"{here / FILE}: valid, 1 job, 1 profile\n")


@pytest.mark.parametrize("words", [("run", "j"), ("upsert", "rows.jsonl", "--index", "i", "--profile", "p")])
def test_a_section_without_a_file_says_where_the_file_would_be(words: tuple[str, ...], here: Path) -> None:
    done = ran(*words)
    assert done.returncode == 2
    assert "There is no configuration file with" in told(done)
    assert f"neither {FILE} here, nor {here.parent / 'config' / FILE}. Name it: --config." in told(done)


def test_a_job_that_is_not_there_ends_a_run_before_another_has_begun(here: Path) -> None:
    written(here, JOB)
    done = ran("run", "rows", "row")
    assert done.returncode == 2
    assert "there is no [job.row]. Is it 'rows'? It has [job.rows]." in told(done)
    assert not (here / "db").exists()


def test_jobs_run_one_after_another_and_the_first_failure_is_the_exit_code(here: Path) -> None:
    (here / "bad.jsonl").write_text('{"id": "x", "vector": [0, 0]}\n')
    more = '[job.bad]\ninherit = "rows"\nsources = ["bad.jsonl"]\nindex = "b"\n'
    written(here, f'{JOB}{more}[job.last]\ninherit = "rows"\nindex = "l"\n')
    done = ran("run", "rows", "bad", "last")
    assert done.returncode == 4
    assert [line.split()[1] for line in done.stderr.splitlines() if line.startswith("job ")] == ["rows", "bad", "last"]
    assert sorted(ran("index", "list").stdout.split()) == ["i", "l"]  # of rows that do not load none is made


def test_the_command_that_resumes_a_run_is_the_same_from_anywhere(here: Path) -> None:
    written(here, JOB.replace("create = true", "create = true\nretries = 3\nbatch-rows = 1"))
    (here / "rows.jsonl").write_text('{"id": "x", "vector": [0, 1]}\n{"id": "y", "vector": [0, 0]}\n')
    typed = ("--index", "other", "--retries", "8", "--state-dir", "mine")  # 8 is the default, and not the file's
    words = shlex.split(
        json.loads(ran("run", "rows", "--json", *typed, CYBORG_INGEST_SET="a=1\nb=x y").stdout)["resume_command"]
    )
    assert words[:7] == ["cyborg-ingest", "run", "rows", "--config", str(here / FILE), "--index", "other"]
    given = shlex.join(words[7:])
    for part in ("--retries 8", f"--state-dir {here / 'mine'}", "--set a=1 --set 'b=x y'"):
        assert part in given
    assert "--batch-rows" not in given  # it stands in the file


def test_the_command_that_goes_on_is_the_run_itself(here: Path) -> None:
    written(here, JOB)
    (here / "rows.jsonl").write_text('{"id": "x", "vector": [0, 1]}\n{"id": "y", "vector": [0, 0]}\n')
    report = json.loads(ran("run", "rows", "--json", "--batch-rows", "1").stdout)
    words = shlex.split(report["resume_command"])
    state = os.environ["CYBORG_INGEST_STATE_DIR"]  # the next command may have other variables
    given = ["--state-dir", state, "--batch-rows", "1", "--json"]
    assert words == ["cyborg-ingest", "run", "rows", "--config", str(here / FILE), *given]
    (here / "rows.jsonl").write_text('{"id": "x", "vector": [0, 1]}\n{"id": "y", "vector": [0, 2]}\n')
    assert ran(*words[1:]).returncode == 0


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_a_file_that_everybody_may_write_to_is_refused_where_it_was_only_found(here: Path) -> None:
    path = written(here, "retries = 1")
    path.chmod(0o666)
    done = ran("config", "show")
    assert done.returncode == 2
    assert f"everybody may write to it. Take that away: chmod o-w {path}" in told(done)
    path.chmod(0o664)
    assert shown()["retries"] == (1, "the file")


@pytest.mark.usefixtures("here")
def test_the_schema_knows_every_option_and_judges_as_the_tool_does() -> None:
    schema = json.loads(ran("config", "schema").stdout)
    jsonschema.Draft7Validator.check_schema(schema)
    judge = jsonschema.Draft7Validator(schema)
    assert set(shown()) <= {name for name in schema["properties"] if "_" not in name}
    good = {"target": "x", "max_errors": "1%", "job": {"j": {"sources": ["a"], "index": "i", "where": "a > 1"}}}
    assert judge.is_valid(good)
    assert judge.is_valid({"max-errors": 3, "verify": "full", "profile": {"p": {"inherit": ["q"]}}})
    for bad in (
        {"retry": 1},
        {"verify": "all"},
        {"retries": -1},
        {"retries": "3"},
        {"job": {"j": {"x": 1}}},
        {"job": 1},
    ):
        assert not judge.is_valid(bad), bad


@pytest.mark.usefixtures("here")
def test_a_place_that_cannot_be_looked_into_holds_no_file() -> None:
    """Nor does one that a service may not look into, as another user's home: the system's error is of one kind."""
    nowhere = "/" + "x" * 300
    assert shown(CYBORG_INGEST_CONFIG_DIR=nowhere)["retries"] == (8, "default")
    done = ran("config", "show", "--config", nowhere)
    assert done.returncode == 2
    assert "there is no such file" in told(done)


def test_help_needs_no_file_that_is_right(here: Path) -> None:
    written(here, "this is not TOML")
    assert ran("upsert", "--help").returncode == 0
    assert ran("upsert", "rows.jsonl", "--index", "i", "--target", "disk:db").returncode == 2


def test_a_group_of_commands_alone_prints_its_help_as_it_is() -> None:
    for group in ("config", "index"):
        done = ran(group)
        assert done.returncode == 2
        assert done.stderr.startswith(f"Usage: cyborg-ingest {group} [OPTIONS] COMMAND [ARGS]...\n\n  ")
        assert "\\n" not in done.stderr
        assert "Error" not in done.stderr
