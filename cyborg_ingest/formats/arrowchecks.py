"""Whether an Arrow file is whole, and its batches are what their buffers can hold; Arrow itself does not look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.types as pt

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.formats.ends import NOT_READ, footer_of
from cyborg_ingest.formats.flatbuffers import arrow_blocks
from cyborg_ingest.formats.messages import check_head
from cyborg_ingest.rows.kinds import is_text

if TYPE_CHECKING:
    from cyborg_ingest.formats.messages import CheckedMessages

MAGIC = b"ARROW1"
BLOCK_BYTES = 1 << 20
_PADDING = 256
"""Behind the last batch: the end of the stream, and what a writer may fill up with."""


def check_end(uri: str, file: CheckedMessages, *, is_file: bool) -> None:
    """A stream's end is believed only where nothing else follows; a file's only with the magic at its end."""
    last = b""
    while block := bytes(file.read(BLOCK_BYTES)):
        last = (last + block)[-len(MAGIC) :]
        if not is_file:
            raise SourceError(
                f"{uri}: more follows where its stream ends. If several were put together, load each by itself; else "
                "the file is damaged."
            )
    if is_file and last != MAGIC:
        raise SourceError(f"{uri}: its end is missing. It was cut short; copy it again.")


def check_footer(uri: str, size: int) -> None:
    """Refuse a footer that takes too much once it is decoded, as Arrow does with all of it. Raises FormatError."""
    with sources.opened(uri) as file:
        _, begin = footer_of(file, size, len(MAGIC), 0)
    if begin >= 0:
        try:
            check_head(uri, "its footer", size - begin)
        except SourceError as error:
            raise FormatError(str(error)) from None


def check_whole(uri: str, size: int) -> None:
    """Refuse a file that holds more than its footer names, as where two were put together. Raises FormatError."""
    with sources.opened(uri) as file:
        footer, begin = footer_of(file, size, len(MAGIC))
    try:
        dictionaries, batches = arrow_blocks(footer)
    except NOT_READ:  # by us, though Arrow has read it
        return
    end = (
        max(one.end for one in (*dictionaries, *batches)) if batches or dictionaries else 2 * len(footer)
    )  # without batches there is the schema alone, as in the footer
    if begin > end + _PADDING:
        raise FormatError(
            f"{uri}: it holds {begin - end:,} bytes that its footer does not name. If several files were put together "
            "(as cat does), load each by itself: of them only one could be read. Else write it again."
        )


def check_batch(batch: pa.RecordBatch) -> None:
    """Raise ArrowInvalid where an offset or an index points out of its buffer, and would be followed.

    Text is looked at as bytes: what is not UTF-8 is one row's fault, not the file's.
    """
    batch.validate()
    for column in batch.columns:
        try:
            seen = column.view(_as_bytes(column.type))
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # some nested types cannot be looked at as others
            seen = column
        seen.validate(full=True)


def _as_bytes(kind: pa.DataType) -> pa.DataType:
    """The type with bytes where it has text, at any depth that Arrow can view so."""

    def inner(field: pa.Field) -> pa.Field:
        return field.with_type(_as_bytes(field.type))

    if is_text(kind):
        kind = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}.get(kind) or pa.binary_view()
    elif isinstance(kind, pa.BaseExtensionType):
        kind = _as_bytes(kind.storage_type)
    elif pt.is_dictionary(kind):
        kind = pa.dictionary(kind.index_type, _as_bytes(kind.value_type), kind.ordered)
    elif pt.is_struct(kind):
        kind = pa.struct([inner(kind.field(number)) for number in range(kind.num_fields)])
    elif pt.is_list(kind) or pt.is_large_list(kind):
        kind = (pa.list_ if pt.is_list(kind) else pa.large_list)(inner(kind.value_field))
    elif pt.is_map(kind):
        kind = pa.map_(inner(kind.key_field), inner(kind.item_field), kind.keys_sorted)
    return kind
