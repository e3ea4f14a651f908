"""What other programs write is loaded as it is, and what they could not write is said."""

from __future__ import annotations

import base64
import datetime
import gzip
import json
import struct
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from advised import run, says
from rows_read import rows_read

from cyborg_ingest.errors import FormatError, MappingError, SourceChangedError, SourceNotFoundError, UsageError
from cyborg_ingest.model import Reason
from cyborg_ingest.plan.job import describe_job
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows import roles
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

VECTORS = np.random.default_rng(1).standard_normal((6, 12)).astype(np.float32)
VALUES = VECTORS.tolist()


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def answer(identity: str, embedding: Any, status: int = 200) -> dict[str, Any]:
    """A line of OpenAI's batch output."""
    data = [{"object": "embedding", "index": 0, "embedding": embedding}]
    body = {"object": "list", "data": data, "model": "text-embedding-3-small", "usage": {"total_tokens": 8}}
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": f"batch_req_{identity}", "custom_id": identity, "response": response, "error": None}


REFUSED = {
    "id": "b", "custom_id": "refused", "error": None,
    "response": {"status_code": 400, "body": {"error": {"message": "too many tokens", "code": "context_length"}}},
}  # fmt: skip
EXPIRED = {
    "id": "b",
    "custom_id": "expired",
    "response": None,
    "error": {"code": "batch_expired", "message": "expired"},
}
ODD = {"id": "b", "custom_id": "odd", "response": {"status_code": 503, "body": {}}, "error": None}


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("order", [1, -1])
def test_openai_batch_output_is_loaded_and_what_failed_is_rejected_with_its_words(
    is_packed: bool, order: int, tmp_path: Path
) -> None:
    packed = [base64.b64encode(one.tobytes()).decode() for one in VECTORS]
    good = [answer(f"doc-{place}", one) for place, one in enumerate(packed if is_packed else VALUES)]
    path = lines(tmp_path / "out.jsonl", *[*good, REFUSED, EXPIRED, ODD][::order])
    found = rows_read(path)
    assert found.ids == [f"doc-{place}" for place in range(6)][::order]
    assert np.array_equal(np.array(found.vectors, np.float32), VECTORS[::order])
    assert found.contents == [None] * 6
    assert {one.id: (one.reason, one.detail) for one in found.rejected} == {
        "refused": (Reason.FAILED, "the request failed: too many tokens (context_length)"),
        "expired": (Reason.FAILED, "the request failed: expired (batch_expired)"),
        "odd": (Reason.FAILED, "the request failed: status 503"),
    }


def request(identity: str, text: Any) -> dict[str, Any]:
    """A line of a batch's input."""
    body = {"model": "text-embedding-3-small", "input": text}
    return {"custom_id": identity, "method": "POST", "url": "/v1/embeddings", "body": body}


@pytest.mark.parametrize("chunk", [1, 2, 100])
@pytest.mark.parametrize("packed", [False, True])
def test_the_texts_of_a_batch_are_joined_from_its_requests_in_any_order(
    chunk: int, packed: bool, tmp_path: Path
) -> None:
    path = lines(tmp_path / "out.jsonl", *(answer(f"doc-{place}", one) for place, one in enumerate(VALUES)), REFUSED)
    asked = [request(f"doc-{place}", f"text {place} ü" if place % 2 else [f"text {place} ü"]) for place in range(6)]
    requests = lines(tmp_path / "in.jsonl", *reversed(asked), request("refused", "x"), request("never answered", "y"))
    if packed:
        requests = tmp_path / "in.jsonl.gz"
        requests.write_bytes(gzip.compress((tmp_path / "in.jsonl").read_bytes()))
    found = rows_read(path, chunk=chunk, contents_from=requests)
    assert found.ids == [f"doc-{place}" for place in range(6)]
    assert found.vectors == VALUES
    assert found.contents == [f"text {place} ü" for place in range(6)]
    assert [(one.id, one.reason) for one in found.rejected] == [("refused", Reason.FAILED)]


def test_an_answer_whose_text_is_missing_is_rejected_and_says_so(tmp_path: Path) -> None:
    path = lines(tmp_path / "out.jsonl", *(answer(f"doc-{place}", one) for place, one in enumerate(VALUES)))
    requests = lines(
        tmp_path / "in.jsonl", request("doc-0", "t"), request("doc-1", [1, 2, 3]), request("doc-2", ["a", "b"])
    )
    found = rows_read(path, contents_from=requests)
    assert (found.ids, found.contents) == (["doc-0"], ["t"])
    assert {(one.id, one.reason.value, one.detail) for one in found.rejected} == {
        ("doc-1", "contents_invalid", "its request in in.jsonl has not one text"),
        ("doc-2", "contents_invalid", "its request in in.jsonl has not one text"),
        *((f"doc-{place}", "contents_invalid", "no request in in.jsonl has its id") for place in (3, 4, 5)),
    }


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        ([request("a", "x"), request("b", "y"), request("a", "z")], "line 3: two requests have the custom_id 'a'"),
        ([request("a", "x"), {"body": {}}], "line 2: it has no custom_id"),
        ([request("a", "x"), 5], "line 2: column 1: it is not an object"),
        ([request("a", "x" * 5000)], "line 1: the row is larger than the 2,000"),
    ],
)
def test_requests_that_cannot_be_told_apart_or_read_are_an_error(
    requests: list[Any], words: str, tmp_path: Path
) -> None:
    path = lines(tmp_path / "out.jsonl", answer("a", VALUES[0]))
    with pytest.raises(FormatError, match=words) as caught:
        rows_read(path, contents_from=lines(tmp_path / "in.jsonl", *requests), max_row_bytes=2000)
    assert "It takes the file of a batch's requests." in str(caught.value) or "leave one of each" in str(caught.value)
    assert rows_read(path, contents_from=lines(tmp_path / "in.jsonl", request("a", "x"))).contents == ["x"]


def test_texts_of_requests_are_for_the_output_of_a_batch_alone(tmp_path: Path) -> None:
    requests = lines(tmp_path / "in.jsonl", request("a", "x"))
    with pytest.raises(FormatError) as refused:
        rows_read(lines(tmp_path / "rows.jsonl", {"id": "a", "vector": [1.0]}), contents_from=requests)
    says(str(refused.value), "{}: its rows are not OpenAI batch output, so --contents-from is not for it.")
    assert rows_read(tmp_path / "rows.jsonl").ids == ["a"]
    (tmp_path / "rows.csv").write_text('id,vector\na,"[1.0]"\n')
    with pytest.raises(UsageError) as other:
        rows_read(tmp_path / "rows.csv", contents_from=requests)
    says(str(other.value), "--contents-from is for the output of OpenAI's batches, which is JSONL. Leave it out.")
    assert rows_read(tmp_path / "rows.csv").ids == ["a"]
    with pytest.raises(SourceNotFoundError, match="no such file"):
        rows_read(lines(tmp_path / "out.jsonl", answer("a", VALUES[0])), contents_from=tmp_path / "gone.jsonl")


def test_the_requests_are_part_of_a_job_and_of_what_may_not_change(tmp_path: Path) -> None:
    path, requests = (
        lines(tmp_path / "out.jsonl", answer("a", VALUES[0])),
        lines(tmp_path / "in.jsonl", request("a", "x")),
    )
    settings = SourceSettings(contents_from=requests)
    assert describe_job("t", "i", (str(path),), settings)["contents_from"] == str(requests)
    assert "contents_from" not in describe_job("t", "i", (str(path),), SourceSettings())
    plan = make_plan((str(path),), settings)
    assert [one.uri for one in plan.sources[0].seen] == [str(path), str(requests)]
    lines(requests, request("a", "another"))
    with pytest.raises(SourceChangedError):
        plan.check()


def test_an_answer_with_several_embeddings_is_not_cut_to_one(tmp_path: Path) -> None:
    several = answer("several", VALUES[1])
    several["response"]["body"]["data"] *= 2
    found = rows_read(lines(tmp_path / "out.jsonl", answer("a", VALUES[0]), several, answer("c", VALUES[2])))
    assert found.ids == ["a", "c"]
    assert [(one.id, one.reason) for one in found.rejected] == [("several", Reason.FAILED)]


def test_one_answer_alone_is_a_row_in_any_layout(tmp_path: Path) -> None:
    for name, indent in (("a.jsonl", None), ("a.json", None), ("b.json", 1)):
        (tmp_path / name).write_text(json.dumps(answer("a", VALUES[0]), indent=indent))
        found = rows_read(tmp_path / name)
        assert (found.ids, found.vectors) == (["a"], VALUES[:1])


def test_where_all_requests_failed_each_is_rejected(tmp_path: Path) -> None:
    found = rows_read(lines(tmp_path / "out.jsonl", REFUSED, EXPIRED))
    assert [one.id for one in found.rejected] == ["refused", "expired"]


def test_options_win_over_a_shape(tmp_path: Path) -> None:
    path = lines(tmp_path / "out.jsonl", answer("a", VALUES[0]), REFUSED)
    found = rows_read(path, id_column="id", vector_column="response.body.data[0].embedding")
    assert (found.ids, found.vectors) == (["batch_req_a"], VALUES[:1])
    assert [one.reason for one in found.rejected] == [Reason.VECTOR_MISSING]


def test_a_row_of_another_shape_is_at_fault_itself(tmp_path: Path) -> None:
    other = {"id": "x", "vector": VALUES[0]}
    found = rows_read(lines(tmp_path / "out.jsonl", answer("a", VALUES[0]), other, answer("b", VALUES[1])))
    assert found.ids == ["a", "b"]
    assert [(one.row, one.reason) for one in found.rejected] == [(1, Reason.ID_MISSING)]


def test_bedrock_batch_output_is_loaded(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {
            "recordId": f"R{place}",
            "modelInput": {"inputText": f"text {place}"},
            "modelOutput": {"embedding": one, "inputTextTokenCount": 3},
        }
        for place, one in enumerate(VALUES)
    ]
    failed = {"recordId": "bad", "modelInput": {"inputText": "x"}, "error": {"errorCode": 400, "errorMessage": "no"}}
    found = rows_read(lines(tmp_path / "out.jsonl", *rows, failed))
    assert found.ids == [f"R{place}" for place in range(6)]
    assert found.vectors == VALUES
    assert found.contents == [f"text {place}" for place in range(6)]
    ((identity, reason, detail),) = [(one.id, one.reason, one.detail) for one in found.rejected]
    assert (identity, reason) == ("bad", Reason.FAILED)
    assert "'errorMessage': 'no'" in detail


def hit(place: int) -> dict[str, Any]:
    source = {
        "title": f"T{place}",
        "text": f"text {place}",
        "embedding": VALUES[place],
        "tags": ["a", "b"],
        "id": place,
    }
    return {"_index": "i", "_type": "_doc", "_id": f"d{place}", "_score": 1, "_source": source}


HITS = [hit(place) for place in range(6)]


@pytest.mark.parametrize("name", ["dump.json", "dump.jsonl", "search.json", "array.json"])
def test_documents_of_elasticsearch_are_loaded_with_all_their_fields(name: str, tmp_path: Path) -> None:
    path = lines(tmp_path / name, *HITS)
    if name == "search.json":
        path.write_text(json.dumps({"took": 1, "hits": {"total": {"value": 6}, "max_score": 1.0, "hits": HITS}}))
    elif name == "array.json":
        path.write_text(json.dumps(HITS))
    found = rows_read(path)
    assert found.ids == [f"d{place}" for place in range(6)]
    assert found.vectors == VALUES
    assert found.contents == [f"text {place}" for place in range(6)]
    assert found.metadata == [{"title": f"T{place}", "tags": ["a", "b"], "id": place} for place in range(6)]
    named = rows_read(path, vector_column="_source.embedding", contents_column="_source.title")
    assert (named.ids, named.vectors) == (found.ids, found.vectors)
    assert named.contents == [f"T{place}" for place in range(6)]


def test_documents_whose_vectors_the_server_left_out_are_an_error_that_says_so(tmp_path: Path) -> None:
    rows = [{**one, "_source": {"title": "T"}} for one in HITS]
    with pytest.raises(FormatError, match=r"hold no vectors. .*\"exclude_vectors\": false"):
        rows_read(lines(tmp_path / "dump.json", *rows))
    with pytest.raises(MappingError):
        rows_read(tmp_path / "dump.json", vector_column="other")


def bulk(name: str, place: int, **more: Any) -> list[str]:
    source = {key: value for key, value in HITS[place]["_source"].items() if key != "id"}
    return [json.dumps({name: {"_index": "i", "_id": f"d{place}", **more}}), json.dumps(source)]


@pytest.mark.parametrize("suffix", ["bulk.ndjson", "bulk.json", "bulk"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_lines_of_bulk_are_rows_by_two(suffix: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / suffix
    pairs = [*(bulk(("index", "create")[place % 2], place) for place in range(6))]
    path.write_text(end.join(line for pair in pairs for line in pair) + end, newline="")
    for chunk in (1, 2, 100):
        found = rows_read(path, chunk=chunk)
        assert found.ids == [f"d{place}" for place in range(6)]
        assert found.vectors == VALUES
        assert found.contents == [f"text {place}" for place in range(6)]
        assert found.metadata == [{"title": f"T{place}", "tags": ["a", "b"]} for place in range(6)]
        assert not found.rejected


def test_what_bulk_cannot_do_here_is_said_by_line(tmp_path: Path) -> None:
    path = tmp_path / "bulk.ndjson"
    delete, nameless = json.dumps({"delete": {"_id": "gone"}}), json.dumps({"index": {}})
    update = [json.dumps({"update": {"_id": "new"}}), json.dumps({"doc": {"title": "x"}})]
    rows = [*bulk("index", 0), delete, *update, nameless, bulk("index", 1)[1], "{broken", *bulk("index", 2)]
    path.write_text("\n".join([*rows, json.dumps({"index": {"_id": "last"}})]))
    found = rows_read(path)
    assert (found.ids, found.vectors) == (["d0", "d2"], [VALUES[0], VALUES[2]])
    assert [(one.line, one.id, one.reason.value) for one in found.rejected] == [
        (3, "gone", "failed"),
        (4, "new", "failed"),
        (6, None, "id_missing"),
        (8, None, "unparsable"),
        (11, "last", "failed"),
    ]
    assert "the line says delete" in found.rejected[0].detail
    assert "no document follows" in found.rejected[-1].detail


DAY = datetime.datetime(2024, 2, 3, 4, 5, 6, 789000, datetime.timezone.utc)
MILLISECONDS = int(DAY.timestamp() * 1000)
UUID = uuid.UUID(int=77)


def binary(data: bytes, kind: str) -> dict[str, Any]:
    return {"$binary": {"base64": base64.b64encode(data).decode(), "subType": kind}}


def exported(place: int, vector: Any, *, canonical: bool) -> dict[str, Any]:
    """A document as mongoexport writes it, by --jsonFormat."""
    return {
        "_id": {"$oid": f"65bdc0f2{place:016x}"},
        "embedding": vector,
        "text": f"text {place}",
        "metadata": {
            "n": {"$numberLong": str(place)} if canonical else place,
            "i": {"$numberInt": "7"} if canonical else 7,
            "x": {"$numberDouble": "0.5"} if canonical else 0.5,
            "when": {"$date": {"$numberLong": str(MILLISECONDS)} if canonical else "2024-02-03T04:05:06.789Z"},
            "d": {"$numberDecimal": "0.10"},
            "data": binary(b"abc", "00"),
            "uuid": binary(UUID.bytes, "04"),
            "list": [{"$numberLong": "1"}, {"a": {"$oid": "x"}}],
        },
    }  # fmt: skip


@pytest.mark.parametrize("canonical", [False, True])
@pytest.mark.parametrize("form", ["list", "binary", "int8"])
def test_extended_json_of_mongodb_is_what_it_stands_for(canonical: bool, form: str, tmp_path: Path) -> None:
    whole = np.round(VECTORS * 20).astype(np.int8)
    forms: dict[str, list[Any]] = {
        "list": [[{"$numberDouble": repr(x)} for x in one] if canonical else one for one in VALUES],
        "binary": [binary(b"\x27\x00" + one.tobytes(), "09") for one in VECTORS],
        "int8": [binary(b"\x03\x00" + one.tobytes(), "09") for one in whole],
    }
    rows = [exported(place, one, canonical=canonical) for place, one in enumerate(forms[form])]
    found = rows_read(lines(tmp_path / "export.json", *rows))
    assert found.ids == [f"65bdc0f2{place:016x}" for place in range(6)]
    assert found.vectors == (whole if form == "int8" else VECTORS).tolist()
    assert found.contents == [f"text {place}" for place in range(6)]
    assert found.metadata == [
        {"n": place, "i": 7, "x": 0.5, "when": MILLISECONDS, "d": 0.1, "data": base64.b64encode(b"abc").decode(),
         "uuid": str(UUID), "list": [1, {"a": "x"}]}
        for place in range(6)
    ]  # fmt: skip


def test_packed_bits_of_mongodb_are_no_numbers(tmp_path: Path) -> None:
    bits = {"_id": {"$oid": "b"}, "embedding": binary(b"\x10\x00" + bytes(range(3)), "09")}
    broken = {"_id": {"$oid": "c"}, "embedding": {"$binary": {"base64": "!", "subType": "09"}}}
    good = [{"_id": {"$oid": f"a{place}"}, "embedding": one} for place, one in enumerate(VALUES)]
    found = rows_read(lines(tmp_path / "export.json", *good, bits, broken))
    assert found.ids == [f"a{place}" for place in range(6)]
    assert [one.reason for one in found.rejected] == [Reason.FAILED, Reason.FAILED]
    assert "packed bits" in found.rejected[0].detail


def test_struct_layout_of_a_bson_vector_is_as_specified() -> None:
    """Type, padding, little-endian float32: what the tests above write."""
    assert struct.pack("<BBf", 0x27, 0, 1.5) == b"\x27\x00" + np.array([1.5], "<f4").tobytes()


def test_the_shape_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines(tmp_path / "out.jsonl", answer("a", VALUES[0]), answer("b", VALUES[1]))
    command = ("upsert", "out.jsonl", "--index", "i", "--target", "disk:d", "--create", "--key-out", "k")
    said = run(*command, "--dry-run")[1]
    assert "shape     OpenAI batch output\n" in said
    assert "out.jsonl: it is read as OpenAI batch output." in said
    assert "out.jsonl  jsonl (OpenAI batch output), " in run("inspect", "out.jsonl")[1]


@pytest.mark.parametrize("name", [*roles.ID.names, "article_id", "userId"])
def test_an_object_with_any_usual_name_of_an_id_is_a_row_though_others_are_in_it(name: str, tmp_path: Path) -> None:
    row = {name: "a", "embedding": [1.0, 2.0], "chunks": [{"embedding": [3.0, 4.0]}]}
    (tmp_path / "x.json").write_text(json.dumps(row))
    with pytest.raises(FormatError, match=r"Say in which with --records \. or --records chunks\."):
        make_plan((str(tmp_path / "x.json"),), SourceSettings())
