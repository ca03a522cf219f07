r"""Filter patterns of CloudWatch Logs.

Source: "Filter pattern syntax" in the Amazon CloudWatch Logs User Guide. Four forms: terms (`ERROR -retry`, `?a ?b`,
`"a phrase"`), a regular expression (`%5\d\d%`), the fields of a space-delimited line (`[ip, ..., status = 5*]`) and
JSON (`{ $.level = "error" && $.took > 3 }`). Everything is case-sensitive.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from sagebrush.services.logs.expressions import Lexemes, Test, comparison, either, invalid, regex, unquoted

Matcher = Callable[[str], bool]

_TERM = re.compile(r'\s*([?-]?)\s*(?:"((?:[^"\\]|\\.)*)"|(\w+))(?=\s|$)', re.ASCII)
_FIELD = re.compile(r'\[([^\]]*)\]|"([^"]*)"|(\S+)')
_SELECTOR = re.compile(r"\$(?:\.[\w-]+|\[\d+\])*", re.ASCII)
_STEP = re.compile(r"\.([\w-]+)|\[(\d+)\]", re.ASCII)
_MISSING = object()
_ELLIPSIS = "..."


def matcher(pattern: str) -> Matcher:
    """Return the test that a pattern stands for. Raises InvalidParameterException for what is no pattern."""
    text = pattern.strip()
    if not text:
        return lambda _: True
    if text[0] == "{":
        return _json(_inside(text, "}"))
    if text[0] == "[":
        return _fields(_inside(text, "]"))
    if text[0] == "%":
        return regex(text)
    return _terms(text)


def _inside(text: str, end: str) -> str:
    if not text.endswith(end):
        raise invalid()
    return text[1:-1]


def _terms(text: str) -> Matcher:
    """Read terms: all plain ones must be in the line and none of the excluded ones.

    Beside these, terms with a question mark are ignored, as on AWS; alone, one of them must be in the line.
    """
    terms: dict[str, list[str]] = {"": [], "?": [], "-": []}
    place = 0
    while place < len(text):
        match = _TERM.match(text, place)
        if match is None:
            rest = text[place:].strip()
            wrong = re.search(r"[^\w\s\"]", rest.lstrip("?-"), re.ASCII)
            raise invalid(wrong[0] if wrong else rest)
        terms[match[1]].append(match[3] or unquoted(match[2]))
        place = match.end()
    wanted, optional, excluded = terms[""], terms["?"], terms["-"]
    if wanted or excluded:
        return lambda message: all(t in message for t in wanted) and not any(t in message for t in excluded)
    return lambda message: any(t in message for t in optional)


def _json(text: str) -> Matcher:
    """Read tests of the values of a JSON document."""
    lexemes = Lexemes(text)
    test = either(lexemes, _property)
    if lexemes.peek():
        raise invalid(lexemes.peek())

    def matches(message: str) -> bool:
        try:
            document = orjson.loads(message)
        except orjson.JSONDecodeError:
            return False
        return isinstance(document, dict | list) and test(document)

    return matches


def _property(lexemes: Lexemes) -> Test:
    """Read one test of a property: a comparison, `IS NULL`, `IS TRUE`, `IS FALSE` or `NOT EXISTS`."""
    _, selector = lexemes.take()
    if not _SELECTOR.fullmatch(selector):
        raise invalid(selector)
    steps = [name or int(index) for name, index in _STEP.findall(selector)]
    value = partial(_value, steps=steps)
    if lexemes.skip("IS"):
        _, word = lexemes.take()
        if word not in _CONSTANTS:
            raise invalid(word)
        constant = _CONSTANTS[word]
        return lambda document: value(document) is constant
    if lexemes.skip("NOT"):
        _, word = lexemes.take()
        if word != "EXISTS":
            raise invalid(word)
        return lambda document: value(document) is _MISSING
    test = comparison(lexemes)
    return lambda document: test(value(document))


_CONSTANTS = {"NULL": None, "TRUE": True, "FALSE": False}


def _value(document: Any, steps: list[str | int]) -> Any:
    """Return what lies at the end of the steps in a JSON document, or _MISSING."""
    for step in steps:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return _MISSING
    return document


def _fields(text: str) -> Matcher:
    """Read the names of a line's fields, in order, with tests of some; `...` stands for any number of fields."""
    lexemes = Lexemes(text)
    names: list[str] = []
    tests: list[Test] = []
    while True:
        if lexemes.peek() in ("", ","):
            names.append(f"#{len(names)}")
        elif lexemes.skip(_ELLIPSIS):
            names.append(_ELLIPSIS)
        elif len(lexemes.parts) == 1 or lexemes.parts[1][1] == ",":
            _field(lexemes, names)
        else:
            tests.append(either(lexemes, lambda parts: _tested(parts, names)))
        if not lexemes.skip(","):
            break
    if lexemes.peek():
        raise invalid(lexemes.peek())
    if names.count(_ELLIPSIS) > 1:
        raise invalid(_ELLIPSIS)
    return lambda message: _line_matches(message, names, tests)


def _field(lexemes: Lexemes, names: list[str]) -> str:
    """Read the name of a field; one that is new is the next of the line."""
    _, name = lexemes.take()
    if not re.fullmatch(r"\w+", name, re.ASCII):
        raise invalid(name)
    if name not in names:
        names.append(name)
    return name


def _tested(lexemes: Lexemes, names: list[str]) -> Test:
    name = _field(lexemes, names)
    test = comparison(lexemes)
    return lambda fields: test(fields[name])


def _line_matches(message: str, names: list[str], tests: list[Test]) -> bool:
    values = ["".join(found) for found in _FIELD.findall(message)]
    if _ELLIPSIS in names:
        gap = names.index(_ELLIPSIS)
        behind = len(names) - gap - 1
        if len(values) < gap + behind:
            return False
        values[gap : len(values) - behind] = [""]
    if len(values) != len(names):
        return False
    fields = dict(zip(names, values, strict=True))
    return all(test(fields) for test in tests)
