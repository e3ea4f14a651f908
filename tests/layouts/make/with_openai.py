"""Batch output of OpenAI, Azure and vLLM, and an answer as it is: by the models of openai 3.57.0.

The lines around the answers are as the guides on batches show them; of vLLM as its `run_batch` writes them.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from entry import Article, Corpus, Entry, articles, floats, row, write_lines
from openai.types import CreateEmbeddingResponse, Embedding
from openai.types.create_embedding_response import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

corpus = Corpus("openai")
ARTICLES = [one for one in articles() if one.text]


def numbers(article: Article) -> Any:
    return floats(article.vector)


def packed(article: Article) -> Any:
    """`encoding_format="base64"`: float32, little-endian."""
    return base64.b64encode(article.vector.astype("<f4").tobytes()).decode()


def answer(articles: list[Article], encoded: Callable[[Article], Any] = numbers) -> dict[str, Any]:
    found = CreateEmbeddingResponse.model_construct(
        data=[
            Embedding.model_construct(embedding=encoded(one), index=place, object="embedding")
            for place, one in enumerate(articles)
        ],
        model="text-embedding-3-small", object="list", usage=Usage(prompt_tokens=7, total_tokens=7),
    )  # fmt: skip
    return json.loads(found.model_dump_json(warnings=False))  # type: ignore[no-any-return]


def line(article: Article, encoded: Callable[[Article], Any] = numbers) -> dict[str, Any]:
    response = {"status_code": 200, "request_id": f"req_{article.number}", "body": answer([article], encoded)}
    return {"id": f"batch_req_{article.number}", "custom_id": article.id, "response": response, "error": None}


def asked(article: Article) -> dict[str, Any]:
    """A line of the file that the batch was asked by."""
    body = {"model": "text-embedding-3-small", "input": article.text}
    return {"custom_id": article.id, "method": "POST", "url": "/v1/embeddings", "body": body}


ROWS = [row(one.id, one.vector) for one in ARTICLES]

# answers come in any order
write_lines(corpus.folder("openai-batch") / "batch_output.jsonl", [line(one) for one in reversed(ARTICLES)])
corpus.expect(Entry("openai-batch", "batch_output.jsonl", ROWS))

write_lines(corpus.folder("openai-batch-base64") / "batch_output.jsonl", [line(one, packed) for one in ARTICLES])
corpus.expect(Entry("openai-batch-base64", "batch_output.jsonl", ROWS))

folder = corpus.folder("openai-batch-with-texts")
write_lines(folder / "batch_output.jsonl", [line(one) for one in reversed(ARTICLES)])
write_lines(folder / "batch_input.jsonl", [asked(one) for one in ARTICLES])
corpus.expect(
    Entry(
        "openai-batch-with-texts", "batch_output.jsonl", [row(one.id, one.vector, None, one.text) for one in ARTICLES],
        options=["--contents-from", "{folder}/batch_input.jsonl"],
    )
)  # fmt: skip

# one line expired, one was refused; both are in one file where error and output files were put together
failed = [line(one) for one in ARTICLES]
failed[2] |= {"response": None, "error": {"code": "batch_expired", "message": "This request could not be executed."}}
refusal = {"error": {"message": "Rate limit reached for requests", "type": "requests", "code": "rate_limit_exceeded"}}
failed[5] |= {"response": {"status_code": 429, "request_id": "req_5", "body": refusal}}
write_lines(corpus.folder("openai-batch-errors") / "batch_output.jsonl", failed)
corpus.expect(
    Entry(
        "openai-batch-errors", "batch_output.jsonl", [one for place, one in enumerate(ROWS) if place not in {2, 5}],
        options=["--max-errors", "5"],
        rejected=["This request could not be executed.", "Rate limit reached for requests"],
    )
)  # fmt: skip


def azure(article: Article) -> dict[str, Any]:
    one = line(article)
    return {"custom_id": one["custom_id"], "response": one["response"], "error": None}


write_lines(corpus.folder("azure-batch") / "output.jsonl", [azure(one) for one in ARTICLES])
corpus.expect(Entry("azure-batch", "output.jsonl", ROWS))


def vllm(article: Article) -> dict[str, Any]:
    body = {"id": f"embd-{article.number}", "created": 1721343000, **answer([article])}
    response = {"status_code": 200, "request_id": f"vllm-batch-{article.number}", "body": body}
    return {"id": f"vllm-{article.number}", "custom_id": article.id, "response": response, "error": None}


write_lines(corpus.folder("vllm-run-batch") / "results.jsonl", [vllm(one) for one in ARTICLES])
corpus.expect(Entry("vllm-run-batch", "results.jsonl", ROWS, by=("the layout of vLLM's run_batch", "openai")))

# one answer with many embeddings has no ids: which of them is which, the caller knows
folder = corpus.folder("openai-answer")
(folder / "answer.json").write_text(json.dumps(answer(ARTICLES), indent=2), "utf-8")
by_place = [row(place, one.vector, {"object": "embedding"}) for place, one in enumerate(ARTICLES)]
corpus.expect(
    Entry(
        "openai-answer", "answer.json", by_place, refused=True, named=["--id-template"], options=["--id-column", "index"],
    )
)  # fmt: skip
