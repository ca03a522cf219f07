"""The expressions inside CloudWatch Logs' filter patterns: tests joined by `&&` and `||`, and their comparisons."""

import operator
import re
import string
from collections.abc import Callable
from typing import Any

from sagebrush.kernel.base.errors import AwsError

Test = Callable[[Any], bool]

_REGEX_CHARACTERS = frozenset(string.ascii_letters + string.digits + r":_#=@/;,-^$?[]{}|\*+. ")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_ORDER = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
_DEPTH = 50
_LEXEMES = re.compile(
    r'\s*(?:(?P<phrase>"(?:[^"\\]|\\.)*")|(?P<regex>%[^%]*%)|(?P<sign>&&|\|\||!=|<=|>=|[=<>(),])'
    r"|(?P<word>(?:\[\d+\]|[^\s\"%&|!=<>(),\[\]])+))"
)


def invalid(term: str = "") -> AwsError:
    """Return the refusal of a pattern, naming the term at fault where there is one."""
    message = f"Invalid character(s) in term '{term}'" if term else "Invalid filter pattern"
    return AwsError("InvalidParameterException", message)


def unquoted(text: str) -> str:
    """Return what stands between quotes, with backslashes undone."""
    return re.sub(r"\\(.)", r"\1", text)


def regex(text: str) -> Callable[[str], bool]:
    """Read `%…%`, whose expression may match anywhere. Raises InvalidParameterException for signs that AWS refuses."""
    inner = text[1:-1]
    wrong = next((character for character in inner if character not in _REGEX_CHARACTERS), None)
    if len(text) < 3 or not text.endswith("%") or wrong:
        raise invalid(wrong or text)
    try:
        expression = re.compile(inner)
    except (re.error, OverflowError, RecursionError):
        raise invalid(text) from None
    return lambda message: expression.search(message) is not None


class Lexemes:
    """The parts of an expression, read from left to right."""

    def __init__(self, text: str) -> None:
        self.parts: list[tuple[str, str]] = []
        place, text = 0, text.rstrip()
        while place < len(text):
            match = _LEXEMES.match(text, place)
            if match is None:
                raise invalid(text[place:].strip()[:1])
            self.parts.append((match.lastgroup or "", match[match.lastgroup or 0]))
            place = match.end()
        if sum(part == "(" for _, part in self.parts) > _DEPTH:
            raise invalid("(")

    def peek(self) -> str:
        """Return the next part; empty at the end."""
        return self.parts[0][1] if self.parts else ""

    def take(self) -> tuple[str, str]:
        """Return the kind (phrase, regex, sign, word) and the text of the next part, and go on."""
        if not self.parts:
            raise invalid()
        return self.parts.pop(0)

    def skip(self, text: str) -> bool:
        """Go past the next part if it is `text`; tell whether it was."""
        found = bool(self.parts) and self.parts[0][1] == text
        if found:
            self.parts.pop(0)
        return found


def either(lexemes: Lexemes, single: Callable[[Lexemes], Test]) -> Test:
    """Read tests joined by `||` and, binding closer, `&&`, with parentheses."""
    tests = [_both(lexemes, single)]
    while lexemes.skip("||"):
        tests.append(_both(lexemes, single))
    return tests[0] if len(tests) == 1 else lambda subject: any(test(subject) for test in tests)


def _both(lexemes: Lexemes, single: Callable[[Lexemes], Test]) -> Test:
    tests = [_one(lexemes, single)]
    while lexemes.skip("&&"):
        tests.append(_one(lexemes, single))
    return tests[0] if len(tests) == 1 else lambda subject: all(test(subject) for test in tests)


def _one(lexemes: Lexemes, single: Callable[[Lexemes], Test]) -> Test:
    if not lexemes.skip("("):
        return single(lexemes)
    test = either(lexemes, single)
    if not lexemes.skip(")"):
        raise invalid(lexemes.peek())
    return test


def comparison(lexemes: Lexemes) -> Test:
    """Read an operator and a value; the test takes a string or a number, and fails on anything else."""
    _, sign = lexemes.take()
    kind, literal = lexemes.take()
    if sign in _ORDER:
        if kind != "word" or not _NUMBER.fullmatch(literal):
            raise invalid(literal)
        return _ordered(_ORDER[sign], float(literal))
    if sign not in ("=", "!=") or kind == "sign":
        raise invalid(sign)
    equal = _equal(kind, literal)
    wanted = sign == "="
    return lambda value: _is_value(value) and equal(value) == wanted


def _is_value(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    return float(value) if _is_value(value) else None


def _ordered(compare: Callable[[float, float], bool], limit: float) -> Test:
    def test(value: Any) -> bool:
        number = _number(value)
        return number is not None and compare(number, limit)

    return test


def _equal(kind: str, literal: str) -> Test:
    if kind == "regex":
        expression = regex(literal)
        return lambda value: expression(str(value))
    if kind == "word" and _NUMBER.fullmatch(literal):
        return lambda value: _number(value) == float(literal) if _number(value) is not None else value == literal
    text = unquoted(literal[1:-1]) if kind == "phrase" else literal
    return _glob(text)


def _glob(text: str) -> Test:
    """Compare with a text whose first and last character may be `*`, which stands for anything."""
    core = text.removeprefix("*").removesuffix("*") if text != "*" else ""
    head, tail = text.startswith("*"), text.endswith("*")
    if head and tail:
        return lambda value: core in str(value)
    if head:
        return lambda value: str(value).endswith(core)
    if tail:
        return lambda value: str(value).startswith(core)
    return lambda value: str(value) == text
