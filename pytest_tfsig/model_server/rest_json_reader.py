"""JSON text as TensorFlow Serving reads it: RapidJSON 1.1's language, values and complaints.

It is a superset of JSON (NaN, Inf, text after the document) with its own idea of numbers. Bytes are not validated, so
text is handled as Latin-1 throughout: one character is one byte of the request.
"""

from __future__ import annotations

import json
import math
import re
from typing import Final, Union

from pytest_tfsig.model_server.rest_json_numbers import NumberTooBigError, double, integer
from pytest_tfsig.model_server.status import Code, StatusError

__all__ = ["JsonObject", "JsonValue", "parse"]


class JsonObject:
    """An object's members in their order, repeated names included; a look-up finds the first.

    Args:
        members: Pairs of name and value.
    """

    __slots__ = ("members",)

    def __init__(self, members: list[tuple[str, JsonValue]]) -> None:
        self.members = members

    def __contains__(self, name: str) -> bool:
        return any(member == name for member, _ in self.members)

    def __getitem__(self, name: str) -> JsonValue:
        for member, value in self.members:
            if member == name:
                return value
        raise KeyError(name)

    def __len__(self) -> int:
        return len(self.members)


JsonValue = Union[None, bool, int, float, str, list["JsonValue"], JsonObject]  # noqa: UP007  (a recursive alias needs it at run time)


def parse(body: bytes) -> JsonValue:
    """Read the one JSON value that a request's body starts with.

    Args:
        body: The bytes of the body.

    Raises:
        StatusError: INVALID_ARGUMENT with RapidJSON's sentence and offset.
    """
    if not body:
        raise StatusError(Code.INVALID_ARGUMENT, "JSON Parse error: The document is empty")
    text = body.decode("latin-1")
    if "\\u" not in text:
        try:
            return _quick(text)
        except (ValueError, RecursionError):
            pass  # not plain JSON: the exact reader knows whether it is allowed, and what to say if not
    return _Reader(text).document()


# Python's scanner reads plain JSON exactly as RapidJSON does, except for numbers of many digits or with an exponent.
_INEXACT = re.compile(r"[0-9][0-9.]{15}|[0-9][eE]")
_PLAIN = json.JSONDecoder(object_pairs_hook=JsonObject)
_EXACT = json.JSONDecoder(object_pairs_hook=JsonObject, parse_float=double, parse_int=integer)
_SPACE = re.compile(r"[ \n\r\t]*")
_BOM = re.compile("\u00ef?\u00bb?\u00bf?")


def _start(text: str) -> int:
    return _BOM.match(text).end()  # type: ignore[union-attr]  # it matches the empty text


def _quick(text: str) -> JsonValue:
    start = _SPACE.match(text, _start(text)).end()  # type: ignore[union-attr]  # it matches the empty text
    if not text.startswith(("{", "["), start):
        raise ValueError("only a container's own end shows that nothing of it was left out")
    decoder = _EXACT if _INEXACT.search(text) else _PLAIN
    value: JsonValue
    value, _ = decoder.raw_decode(text, start)
    return value


_END: Final = "\0"  # a NUL ends the text for RapidJSON, wherever it stands
_EMPTY = "The document is empty."
_INVALID_VALUE = "Invalid value."
_MISSING_NAME = "Missing a name for object member."
_MISSING_COLON = "Missing a colon after a name of object member."
_MISSING_IN_OBJECT = "Missing a comma or '}' after an object member."
_MISSING_IN_ARRAY = "Missing a comma or ']' after an array element."
_BAD_HEX = "Incorrect hex digit after \\u escape in string."
_BAD_SURROGATE = "The surrogate pair in string is invalid."
_BAD_ESCAPE = "Invalid escape character in string."
_MISSING_QUOTE = "Missing a closing quotation mark in string."
_TOO_BIG = "Number too big to be stored in double."
_MISSING_FRACTION = "Miss fraction part in number."
_MISSING_EXPONENT = "Miss exponent in number."

_WORDS: Final = {"n": ("null", None), "t": ("true", True), "f": ("false", False)}
_ESCAPES: Final = {
    '"': '"', "/": "/", "\\": "\\", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
}  # fmt: skip
_CHARACTERS = re.compile(r'[^"\\\x00-\x1f]*')
_HEX = re.compile(r"[0-9A-Fa-f]{4}")
_WHOLE = re.compile(r"0|[1-9][0-9]*")
_DIGITS = re.compile(r"[0-9]*")


class _Reader:
    """Reads a text from left to right; containers are kept on a stack, so depth costs no recursion."""

    def __init__(self, text: str) -> None:
        self.text = text + _END
        self.at = _start(text)

    def document(self) -> JsonValue:
        self.skip_space()
        if self.peek() in "]},:" + _END:
            raise self.error(_EMPTY)
        result: list[JsonValue] = []
        open_containers: list[list[JsonValue] | JsonObject] = []
        name = ""
        while True:
            value, opened = self.value()
            parent = open_containers[-1] if open_containers else result
            if isinstance(parent, JsonObject):
                parent.members.append((name, value))
            else:
                parent.append(value)
            if opened:
                open_containers.append(opened[0])
                fresh = True
            else:
                fresh = False
            if not self.close(open_containers, fresh=fresh):
                return result[0]
            if isinstance(open_containers[-1], JsonObject):
                name = self.name()

    def close(self, open_containers: list[list[JsonValue] | JsonObject], *, fresh: bool) -> bool:
        """Close what ends here and pass the comma; whether a container is still open."""
        while open_containers:
            self.skip_space()
            in_object = isinstance(open_containers[-1], JsonObject)
            if self.take("}" if in_object else "]"):
                open_containers.pop()
                fresh = False
                continue
            if not fresh:
                if not self.take(","):
                    raise self.error(_MISSING_IN_OBJECT if in_object else _MISSING_IN_ARRAY)
                self.skip_space()
            return True
        return False

    def name(self) -> str:
        if self.peek() != '"':
            raise self.error(_MISSING_NAME)
        name = self.string()
        self.skip_space()
        if not self.take(":"):
            raise self.error(_MISSING_COLON)
        self.skip_space()
        return name

    def value(self) -> tuple[JsonValue, list[list[JsonValue] | JsonObject]]:
        """Read a value, or open a container: then it is in the list, too."""
        character = self.peek()
        if character == "[":
            self.at += 1
            array: list[JsonValue] = []
            return array, [array]
        if character == "{":
            self.at += 1
            members = JsonObject([])
            return members, [members]
        if character == '"':
            return self.string(), []
        if character in _WORDS:
            return self.word(*_WORDS[character]), []
        return self.number(), []

    def word(self, word: str, value: bool | None) -> bool | None:
        for character in word:
            if not self.take(character):
                raise self.error(_INVALID_VALUE)
        return value

    def string(self) -> str:
        self.at += 1
        pieces = []
        while True:
            match = _CHARACTERS.match(self.text, self.at)
            pieces.append(match.group())  # type: ignore[union-attr]  # it matches the empty text
            self.at = match.end()  # type: ignore[union-attr]  # ditto
            character = self.peek()
            if character == '"':
                self.at += 1
                return "".join(pieces)
            if character != "\\":
                raise self.error(_MISSING_QUOTE if character == _END else _BAD_ESCAPE)
            pieces.append(self.escape())

    def escape(self) -> str:
        start = self.at
        self.at += 1
        plain = _ESCAPES.get(self.peek())
        if plain is not None:
            self.at += 1
            return plain
        if not self.take("u"):
            raise self.error(_BAD_ESCAPE, start)
        point = self.hexadecimal(start)
        if 0xD800 <= point <= 0xDBFF:  # noqa: PLR2004  (the first half of a surrogate pair)
            if not (self.take("\\") and self.take("u")):
                raise self.error(_BAD_SURROGATE, start)
            second = self.hexadecimal(start)
            if not 0xDC00 <= second <= 0xDFFF:  # noqa: PLR2004  (… and the second)
                raise self.error(_BAD_SURROGATE, start)
            point = 0x10000 + ((point - 0xD800) << 10 | second - 0xDC00)
        return chr(point).encode("utf-8", "surrogatepass").decode("latin-1")

    def hexadecimal(self, escape: int) -> int:
        match = _HEX.match(self.text, self.at)
        if match is None:
            raise self.error(_BAD_HEX, escape)
        self.at = match.end()
        return int(match.group(), 16)

    def number(self) -> int | float:
        start = self.at
        minus = "-" if self.take("-") else ""
        whole = _WHOLE.match(self.text, self.at)
        special = None
        if whole:
            self.at = whole.end()
        else:
            special = self.special()
        fraction = self.part(".", _MISSING_FRACTION)
        exponent = self.exponent()
        if not fraction and not exponent and special is not None:
            return -special if minus and special == math.inf else special  # a NaN keeps its sign
        text = minus + (whole.group() if whole else "0") + fraction + exponent
        try:
            return double(text) if fraction or exponent else integer(text)
        except (NumberTooBigError, ValueError):  # int() refuses thousands of digits; so does a double
            raise self.error(_TOO_BIG, start) from None

    def special(self) -> float:
        """Read NaN, Inf or Infinity; a wrong turn in NaN may still end in Inf."""
        if self.take("N") and self.take("a") and self.take("N"):
            return math.nan
        if self.take("I") and self.take("n") and self.take("f"):
            if self.peek() == "i":
                for character in "inity":
                    if not self.take(character):
                        raise self.error(_INVALID_VALUE)
            return math.inf
        raise self.error(_INVALID_VALUE)

    def exponent(self) -> str:
        if not (self.take("e") or self.take("E")):
            return ""
        sign = "-" if not self.take("+") and self.take("-") else ""
        return self.digits("e" + sign, _MISSING_EXPONENT)

    def part(self, mark: str, missing: str) -> str:
        return self.digits(mark, missing) if self.take(mark) else ""

    def digits(self, before: str, missing: str) -> str:
        match = _DIGITS.match(self.text, self.at)
        digits = match.group()  # type: ignore[union-attr]  # it matches the empty text
        if not digits:
            raise self.error(missing)
        self.at += len(digits)
        return before + digits

    def peek(self) -> str:
        return self.text[self.at]

    def take(self, character: str) -> bool:
        if self.text[self.at] != character:
            return False
        self.at += 1
        return True

    def skip_space(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]  # it matches the empty text

    def error(self, message: str, at: int | None = None) -> StatusError:
        offset = self.at if at is None else at
        return StatusError(Code.INVALID_ARGUMENT, f"JSON Parse error: {message} at offset: {offset}")
