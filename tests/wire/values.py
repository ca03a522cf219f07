"""Values for shapes: deterministic, inside the model's bounds, and awkward wherever the wire allows it.

`Values` follows min, max and enum always, and patterns where an example can be made of them; `faithful` says whether every
text that it made obeys its shape.
"""

import random
import re
import re._constants as op  # type: ignore[import-not-found]
import re._parser as regex  # type: ignore[import-not-found]
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from sagebrush.kernel.wire.patterns import matcher

TEXTS = [
    "plain",
    "ünïcödé ✓ 漢字 𐐷",
    "<a href=\"x\">&amp; 'q'</a>",
    "two\nlines\tand a tab",
    "",
    "100% +/?#&=;",
    '{}[]\\"',
    "  blanks  ",
]
HEADER_TEXTS = ["plain", "text/csv; charset=utf-8", 'W/"etag"', "ünïcödé ✓", "a=b&c", "x" * 40]
DOCUMENTS: list[Any] = [{"a": [1, 2.5, "x", True, {"é": "<>"}], "b": {}}, {"plain": "text"}]
PLAIN_LETTERS = "abcXYZ019"


class Values:
    """Makes values for the shapes of one operation over one protocol."""

    def __init__(self, seed: str, protocol: str, *, request: bool, full: bool) -> None:
        self._random = random.Random(zlib.crc32(seed.encode()))
        self._xml = protocol in ("rest-xml", "query")
        self._protocol = protocol
        self._request = request
        self._full = full
        self.faithful = True

    def of(self, shape: Shape | None) -> dict[str, Any]:
        """Return a value for an operation's input or output, or for an exception."""
        if not isinstance(shape, StructureShape):
            return {}
        return self._structure(shape, (), top=True)

    def _value(self, shape: Shape, above: tuple[str, ...]) -> Any:
        if isinstance(shape, StructureShape):
            return self._random.choice(DOCUMENTS) if shape.is_document_type else self._structure(shape, above)
        if isinstance(shape, ListShape):
            return self._list(shape, above)
        if isinstance(shape, MapShape):
            return self._map(shape, above)
        return self._scalar(shape)

    def _structure(self, shape: StructureShape, above: tuple[str, ...], *, top: bool = False) -> dict[str, Any]:
        names = list(shape.members)
        if shape.is_tagged_union:
            names = self._one_of(shape, above)
        elif not self._full or len(above) > 4 or shape.name in above:
            names = list(shape.required_members)
        made = {}
        for name in names:
            member = shape.members[name]
            if member.serialization.get("eventstream"):
                continue
            bottomless = above.count(member.name) > 1
            value = None if bottomless else self._member(name, member, (*above, shape.name), top=top)
            if not bottomless and self._can_be_told(value, member):
                made[name] = value
            else:
                self.faithful &= name not in shape.required_members
        return made

    def _one_of(self, shape: StructureShape, above: tuple[str, ...]) -> list[str]:
        fine = [name for name, each in shape.members.items() if each.name not in above and each.name != shape.name]
        return [self._random.choice(fine or list(shape.members))] if shape.members else []

    def _can_be_told(self, value: Any, member: Shape) -> bool:
        """Tell whether a value leaves a trace on the wire; an empty structure in a form does not."""
        located = member.serialization.get("location")
        if located in ("headers", "querystring") and value in ({}, []):
            return False
        if self._protocol == "query" and self._request:
            return bool(value != {})
        if self._xml and member.serialization.get("flattened"):
            return bool(value)
        return bool(located != "header" or value != [])

    def _member(self, name: str, member: Shape, above: tuple[str, ...], *, top: bool) -> Any:
        location = member.serialization.get("location", "") if top and self._protocol.startswith("rest") else ""
        if member.serialization.get("hostLabel"):
            return self._string(member, "host")
        if location == "statusCode":
            return 203
        if location == "headers":
            return {"key-one": "value one", "k2": "ünï"}
        if location == "querystring" and isinstance(member, MapShape):
            return {"k 1": ["a b", "c&d"] if isinstance(member.value, ListShape) else "é+"}
        if "jsonvalue" in member.serialization:
            return {"a": [1, {"b": "é"}]} if location == "header" else '{"a": 1}'
        if location:
            return self._located(member, location)
        return self._value(member, above)

    def _located(self, shape: Shape, location: str) -> Any:
        """Return a value that travels outside the body, where texts have less freedom."""
        if isinstance(shape, ListShape):
            size = min(max(2, shape.metadata.get("min", 0)), shape.metadata.get("max", 2))
            return [self._located(shape.member, f"{location} list") for _ in range(size)]
        if isinstance(shape, StringShape):
            return self._string(shape, location)
        if shape.type_name == "timestamp":
            return self._timestamp(shape, location)
        return self._scalar(shape)

    def _list(self, shape: ListShape, above: tuple[str, ...]) -> list[Any]:
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 2)
        if (shape.member.name in above and low == 0) or len(above) > 12:
            self.faithful &= low == 0
            return []
        size = max(low, min(high, self._random.choice([1, 2]) if self._full else 1))
        made = [self._value(shape.member, above) for _ in range(min(size, 50))]
        self.faithful &= size <= 50
        told = [each for each in made if each != {} or not (self._protocol == "query" and self._request)]
        self.faithful &= len(told) >= low
        return told

    def _map(self, shape: MapShape, above: tuple[str, ...]) -> dict[str, Any]:
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 2)
        size = max(low, min(high, 2))
        made: dict[str, Any] = {}
        for number in range(size * 3):
            key = self._string(shape.key, "key", number)
            if len(made) < size and key not in made:
                value = self._value(shape.value, above)
                if value != {} or not (self._protocol == "query" and self._request):
                    made[key] = value
        self.faithful &= len(made) >= low
        return made

    def _scalar(self, shape: Shape) -> Any:
        kind = shape.type_name
        if kind in ("string", "character"):
            return self._string(shape, "")
        if kind in ("integer", "long"):
            low, high = shape.metadata.get("min", -(2**31)), shape.metadata.get("max", 2**31 - 1)
            return self._random.choice([low, high, max(low, min(high, self._random.choice([-1, 0, 7])))])
        if kind in ("float", "double"):
            low, high = shape.metadata.get("min", -1e300), shape.metadata.get("max", 1e300)
            return float(max(low, min(high, self._random.choice([-1.5, 0.1, 3.0, 1e-7]))))
        if kind == "boolean":
            return self._random.random() < 0.5
        if kind == "timestamp":
            return self._timestamp(shape, "")
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 20)
        return (bytes(range(256)) * (low // 256 + 1))[: min(high, max(low, 256))]

    def _timestamp(self, shape: Shape, location: str) -> datetime:
        """Return a moment with milliseconds, unless it is written as RFC 822 or travels in a header: whole seconds."""
        whole = shape.serialization.get("timestampFormat") == "rfc822" or location.startswith("header")
        return datetime(2026, 11, 21, 8, 26, self._random.randrange(60), 0 if whole else 123_000, tzinfo=UTC)

    def _string(self, shape: Shape, location: str, number: int = -1) -> str:
        if isinstance(shape, StringShape) and shape.enum:
            known = [each for each in shape.enum if "," not in each] if "list" in location else list(shape.enum)
            return (
                (known or list(shape.enum))[number % len(shape.enum)]
                if number >= 0
                else self._random.choice(known or shape.enum)
            )
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 20)
        pattern = shape.metadata.get("pattern")
        compiled = matcher(pattern) if pattern else None
        for text in self._texts(pattern, location, number, low, high):
            if low <= len(text) <= high and (compiled is None or compiled.search(text)):
                return text
        self.faithful = False
        return "x" * max(low, min(high, 8)) if location != "key" else f"x{number}"

    def _texts(self, pattern: str | None, location: str, number: int, low: int, high: int) -> Iterator[str]:
        texts = self._plain(location)
        if number >= 0:
            texts = [f"{text}{number}" for text in texts]
        start = self._random.randrange(len(texts))
        rotated = texts[start:] + texts[:start]
        yield from (text for text in rotated if low <= len(text))
        yield from ((text * (low // max(len(text), 1) + 1))[: max(low, 1)] for text in rotated)
        if pattern:
            for _ in range(6):
                text = example(pattern, self._random, low, high)
                if text is not None and self._fits(text, location):
                    yield text

    def _plain(self, location: str) -> list[str]:
        if location == "":
            # A request's XML is written by a library that lets line ends through as they are; parsers normalise them.
            return TEXTS
        if location == "key":
            return ["key", "clé <&>", "a.b c"]
        if location == "host":
            return ["host-label"]
        if "list" in location:
            return ["one", "two words", "ETag"] if location.startswith("header") else ["one", "é&=+ two", ""]
        if location.startswith("header"):
            return HEADER_TEXTS
        return ["plain", "a b+c%20", "é/漢&?#", "with:colon@at"] if location == "uri" else TEXTS

    @staticmethod
    def _fits(text: str, location: str) -> bool:
        if location.startswith("header"):
            return (
                text == text.strip()
                and text.isprintable()
                and text != ""
                and not ("list" in location and set(text) & set(',"'))
            )
        return location != "uri" or (text != "" and text.strip("./") != "")


def example(pattern: str, source: random.Random, low: int, high: int) -> str | None:
    """Return a text that a pattern should match, of about the wanted length, or None for what is too involved."""
    compiled = matcher(pattern)
    if compiled is None:
        return None
    try:
        return "".join(_parts(regex.parse(compiled.pattern, compiled.flags), source, low, high))
    except (NotImplementedError, re.error):
        return None


def _parts(parsed: Any, source: random.Random, low: int, high: int) -> Iterator[str]:
    for code, argument in parsed:
        if code in (op.AT, op.ASSERT, op.ASSERT_NOT):
            continue
        if code is op.LITERAL:
            yield chr(argument)
        elif code is op.NOT_LITERAL:
            yield "x" if argument != ord("x") else "y"
        elif code is op.ANY:
            yield source.choice(PLAIN_LETTERS)
        elif code is op.IN:
            yield _one_in(argument, source)
        elif code is op.BRANCH:
            yield from _parts(source.choice(argument[1]), source, low, high)
        elif code is op.SUBPATTERN:
            yield from _parts(argument[3], source, low, high)
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            least, most, what = argument
            for _ in range(min(most, high, max(least, min(low, 64), source.choice([0, 1, 3])))):
                yield from _parts(what, source, low, high)
        else:
            raise NotImplementedError


def _one_in(items: Any, source: random.Random) -> str:
    members = [item for item in items if item[0] is not op.NEGATE]
    if len(members) < len(items):
        excluded = re.compile("[" + "".join(_class_text(item) for item in members) + "]")
        return next((each for each in "aZ5 -é~" if not excluded.match(each)), "ß")
    code, argument = source.choice(members[:40])
    if code is op.LITERAL:
        return chr(argument)
    if code is op.RANGE:
        return chr(source.randint(argument[0], min(argument[1], argument[0] + 60)))
    return {"CATEGORY_DIGIT": "7", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "w"}.get(str(argument), "-")


def _class_text(item: Any) -> str:
    code, argument = item
    if code is op.LITERAL:
        return re.escape(chr(argument))
    if code is op.RANGE:
        return f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
    return {"CATEGORY_DIGIT": r"\d", "CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w", "CATEGORY_NOT_SPACE": r"\S"}.get(
        str(argument), r"\W"
    )
