"""The changes that `make mutants` makes, and the probes that tell which tests would enter them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from where import ROOT

import cyborg_ingest

if TYPE_CHECKING:
    from types import ModuleType

SOURCE = '''
LIMIT = 3

def sign(number):
    """Of a number."""
    if number > 0:
        return "plus"
    try:
        return ["minus", "none"][number == 0]
    except TypeError:
        found = "odd"
    return found
'''


@pytest.fixture
def mutations(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    sys.modules.pop("mutations", None)
    return __import__("mutations")


def run(tree: ast.Module, **names: Any) -> dict[str, Any]:
    exec(compile(tree, "<changed>", "exec"), names)  # noqa: S102 - a source of ours
    return names


def test_each_change_is_one_and_has_a_name_of_its_own(mutations: ModuleType) -> None:
    found = list(mutations.mutants("signs", SOURCE))
    assert {one.change for one in found} == {
        "3 -> 4", "3 -> 2",
        "number > 0 -> number >= 0", "number > 0 -> number <= 0", "0 -> 1", "0 -> -1",
        "return 'plus' -> return None",
        "return ['minus', 'none'][number == 0] -> return None", "number == 0 -> number != 0", "0 -> 1 (#2)",
        "0 -> -1 (#2)", "except TypeError: ... found = 'odd' -> except TypeError: ... raise",
        "return found -> return None",
    }  # fmt: skip
    assert len({one.key for one in found}) == len(found)
    whole = ast.dump(ast.parse(SOURCE))
    assert all(ast.dump(mutations.mutated(SOURCE, one)) != whole for one in found)


def test_a_changed_module_does_what_the_change_says(mutations: ModuleType) -> None:
    by_name = {one.change: one for one in mutations.mutants("signs", SOURCE)}

    def changed(change: str) -> dict[str, Any]:
        return run(mutations.mutated(SOURCE, by_name[change]))

    assert changed("3 -> 4")["LIMIT"] == 4
    assert changed("number > 0 -> number >= 0")["sign"](0) == "plus"
    assert changed("0 -> 1 (#2)")["sign"](0) == "minus"
    assert changed("return found -> return None")["sign"](-1) == "minus"
    with pytest.raises(TypeError):
        changed("except TypeError: ... found = 'odd' -> except TypeError: ... raise")["sign"]("text")


def test_probes_tell_each_block_that_is_entered_and_leave_the_rest_as_it_is(mutations: ModuleType) -> None:
    entered: set[str] = set()
    sign = run(mutations.probed(SOURCE, "signs"), **{mutations.PROBE: entered.add})["sign"]
    assert (sign(1), sign.__doc__, entered) == ("plus", "Of a number.", {"signs sign", "signs sign/1body"})
    assert sign(-1) == "minus"
    assert entered == {"signs sign", "signs sign/1body", "signs sign/2body"}
    blocks = {one.block for one in mutations.mutants("signs", SOURCE)}
    assert blocks == {"", "sign", "sign/1body", "sign/2body", "sign/2/0body"}


def test_what_is_judged_equivalent_is_in_a_module_that_there_is_and_has_a_reason() -> None:
    package = Path(cyborg_ingest.__file__).parent
    for line in (ROOT / "tests" / "mutants-equivalent.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            key, _, reason = line.partition(" | ")
            assert package.joinpath(*key.partition(" ")[0].split(".")).with_suffix(".py").is_file(), key
            assert " -> " in key
            assert reason.strip(), key
