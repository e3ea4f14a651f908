"""A window on JSON text, moved forward over it block by block: the text is never whole in memory."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from cyborg_ingest.errors import EmptySourceError, FormatError, SourceError
from cyborg_ingest.formats.lines import BOM
from cyborg_ingest.formats.records import BEGIN_BYTES, TooLarge, kept
from cyborg_ingest.rows.values import load_json

if TYPE_CHECKING:
    from typing import BinaryIO

_BLOCK_BYTES = 1 << 20
_ESCAPE_BYTES = 2
_SHOWN = 40

_SPACE = re.compile(rb"[ \t\r\n]*")
_SCALAR = re.compile(rb'[^ \t\r\n,:"{}\[\]]*')
# Both always match, if only nothing, and repeat a bounded number of times: they neither backtrack far nor keep
# much, whatever the text is.
_FLAT = rb'[^"{}\[\]]*'
_NESTED = re.compile(
    _FLAT + rb'(?:(?:"[^"\\]*(?:\\.[^"\\]*){0,100}"|\{' + _FLAT + rb"\}|\[" + _FLAT + rb"\])" + _FLAT + rb"){0,1000}",
    re.DOTALL,
)
_PLAIN = re.compile(_FLAT)
_PLAIN_MEMBERS = re.compile(
    rb'(?:[ \t\r\n]*,[ \t\r\n]*"[^"\\]*"[ \t\r\n]*:[ \t\r\n]*[^ \t\r\n,:"{}\[\]]+(?=[ \t\r\n]*[,}])){0,1000}'
)
_IN_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*){0,1000}', re.DOTALL)


class JsonText:
    """A window on the text, moved forward over it; what is damaged is an `error` of this kind."""

    def __init__(
        self,
        file: BinaryIO,
        uri: str,
        limit: int,
        start: int = 0,
        *,
        error: type[FormatError | SourceError] = SourceError,
    ) -> None:
        self.row = 0
        """The number of the next element."""
        self.container = "array"
        """What is open at last, for messages."""
        self._file = file
        self.uri = uri
        self._limit = limit
        self._error = error
        self._large = b""  # how an element begins of which no more is kept
        self._data = b""
        self._before = start  # bytes of the file before the window
        self._kept = 0  # where in the window that begins which is still needed
        self._at = 0

    def of_value(self, value: bytes, place: int) -> JsonText:
        """A window on a value of the text that was passed, and began at this byte."""
        return JsonText(io.BytesIO(value), self.uri, self._limit, place, error=self._error)

    @property
    def place(self) -> int:
        """The byte of the file that comes next."""
        return self._before + self._at

    def begin(self) -> None:
        """Pass a byte order mark. Raises EmptySourceError where nothing follows."""
        while len(self._data) < len(BOM) and self._more():
            pass
        self._at = len(BOM) if self._data.startswith(BOM) else 0
        if self.is_at_end():
            raise EmptySourceError(f"{self.uri}: the file is empty.")

    def sign(self) -> bytes:
        """The next sign, white space left out; none at the end."""
        return b"" if self.is_at_end() else self._peek()

    def passes(self, sign: bytes) -> bool:
        """Move behind a sign if it is the next, white space left out."""
        found = self.sign() == sign
        self._at += found
        return found

    def pass_numbers(self) -> int:
        """Move behind what follows in the window of an array of plain numbers, but for the last; how many commas."""
        end = _end(_PLAIN, self._data, self._at)
        end = max(self._data.rfind(b",", self._at, end), self._at)
        passed = self._data.count(b",", self._at, end)
        self._kept = self._at = end
        return passed

    def pass_members(self) -> int:
        """Move behind the members that follow in the window of an object, as long as they are plain; how many."""
        end = _end(_PLAIN_MEMBERS, self._data, self._at)
        names = self._data.count(b'"', self._at, end) // 2
        self._kept = self._at = end
        return names

    def key(self) -> tuple[str, bytes]:
        """Move behind a member's name and its colon; give the name, and its text. Raises SourceError."""
        if self.sign() != b'"':
            raise self.broken("a member of an object has no name")
        text = self.value()[0]
        try:
            name = load_json(text)
        except ValueError:
            raise self.broken("the name of a member is not text, or very long") from None
        if not self.passes(b":"):
            raise self.broken(f"no colon follows the name {name[:_SHOWN]!r}")
        return str(name), text

    def is_at_end(self) -> bool:
        """Whether nothing follows but white space."""
        while True:
            self._kept = self._at = _end(_SPACE, self._data, self._at)
            if self._at < len(self._data) or not self._more():
                return self._at == len(self._data)

    def element(self) -> tuple[bytes, int]:
        """Move behind the next element, and count it; give its text and the place behind it. Raises SourceError."""
        found = self.value()
        self.row += 1
        return found

    def value(self) -> tuple[bytes, int]:
        """Move behind the next value; give its text and the place behind it. Raises SourceError."""
        sign = self.sign()
        if sign in {b"{", b"["}:
            self._nested()
        elif sign == b'"':
            self._string()
        else:
            self._skip(_SCALAR)
        if self._at == self._kept and not self._large:
            raise self.broken(f"row {self.row:,} is missing")
        found, self._large = self._large, b""
        text = kept(self._data[self._kept : self._at], self._limit)
        return TooLarge.of(found, self._limit) if found else text, self._before + self._at

    def refused(self, what: str) -> FormatError | SourceError:
        """The error of a text that is not read, though it may be whole."""
        return self._error(f"{self.uri}: {what}")

    def broken(self, what: str) -> FormatError | SourceError:
        """The error of a text that ends here, or continues as no array does."""
        if self._peek():
            place = f"byte {self._before + self._at:,}, {self._peek()!r}"
            return self._error(f"{self.uri}: {what} ({place}). The file is damaged; write it again.")
        return self._error(
            f"{self.uri}: it ends in or before row {self.row:,}, and its {self.container} is not closed. It was cut "
            "short; copy it again."
        )

    def _nested(self) -> None:
        self._at += 1
        depth = 1
        while True:
            self._skip(_NESTED)
            sign = self._peek()
            if sign == b'"':  # it ends outside of the window, or is more than the expression takes at once
                self._string()
                continue
            if not sign:
                raise self.broken("")
            self._at += 1
            depth += 1 if sign in b"{[" else -1
            if not depth:
                return

    def _string(self) -> None:
        self._at += 1
        while True:
            self._skip(_IN_STRING)
            if self._peek() == b'"':
                self._at += 1
                return
            # a backslash: what it escapes is still to be read, or the expression takes no more at once
            if len(self._data) - self._at < _ESCAPE_BYTES and not self._more():
                self._at = len(self._data)
                raise self.broken("")

    def _skip(self, expression: re.Pattern[bytes]) -> None:
        """Move over what matches, through as many blocks as that takes."""
        while True:
            self._at = _end(expression, self._data, self._at)
            if self._at < len(self._data) or not self._more():
                return

    def _peek(self) -> bytes:
        if self._at >= len(self._data):
            self._more()
        return self._data[self._at : self._at + 1]

    def _more(self) -> bool:
        if len(self._data) - self._kept > self._limit or self._large:
            self._large = self._large or self._data[self._kept :][:BEGIN_BYTES]
            self._kept = self._at
        rest = self._data[self._kept :]
        block = self._file.read(max(_BLOCK_BYTES, len(rest)))  # or a long element would be copied for each block
        self._before += self._kept
        self._at -= self._kept
        self._kept = 0
        self._data = rest + block
        return bool(block)


def _end(expression: re.Pattern[bytes], data: bytes, start: int) -> int:
    """Where the match that begins at `start` ends."""
    found = expression.match(data, start)
    return start if found is None else found.end()
