"""The models' patterns, written for Java, as Python's regular expressions."""

import re
import unicodedata
from functools import cache
from itertools import groupby

_PIECE = re.compile(r"\\([pP])(?:\{(\w+)\}|([A-Z]))|\\.|.", re.DOTALL)
_CODE_POINT = re.compile(r"\\x\{([0-9a-fA-F]{1,6})\}")
_FLAGS = re.compile(r"\(\?([ims]+)\)")
_POSIX = {
    "ASCII": r"\x00-\x7f",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Upper": "A-Z",
    "Lower": "a-z",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": r" \t\n\x0b\f\r",
    "all": r"\x00-\U0010ffff",
}
_ALIASES = {"IsAlphabetic": "L", "IsWhitespace": "Z"}
_REPLACED = {
    # Two halves of a pair mean the character that they encode: Java reads them so, Python reads them apart.
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010FFFF",
    r"\z": r"\Z",
}
_AFTER = {
    "-": frozenset({r"\w", r"\d", r"\s"}),  # no range begins with a class: the hyphen is one
    "|": frozenset({"|", r"\|"}),  # two bars are no operator in Java
}
_PLANES = ((0, 0x33480), (0xE0000, 0xE0200), (0xF0000, 0x110000))
"""Where Unicode has characters; what lies between is unassigned."""


@cache
def matcher(pattern: str) -> re.Pattern[str] | None:
    """Return a model's pattern, to be used with `search`, or None where Python cannot say it.

    Java's services match the whole text, so a pattern without anchors gets both; one that is anchored on one side alone
    was written to be found anywhere else, and is taken as it is.
    """
    anchored = pattern.startswith("^"), pattern.endswith("$")
    if "&&" in pattern:
        return None  # an intersection of classes, which Python lacks
    text = _translated(pattern)
    flags = _FLAGS.match(text)
    if flags:
        text = f"(?{flags[1]}:{text[flags.end() :]})"
    try:
        return re.compile(text if any(anchored) and not all(anchored) else rf"\A(?:{text})\Z", re.ASCII)
    except (re.error, OverflowError):
        return None


def _translated(pattern: str) -> str:
    """Return a pattern with what Java says differently said as Python says it."""
    for java, python in _REPLACED.items():
        pattern = pattern.replace(java, python)
    pattern = _CODE_POINT.sub(lambda found: f"\\U{int(found[1], 16):08x}", pattern)
    out: list[str] = []
    inside = False
    for found in _PIECE.finditer(pattern):
        piece = found[0]
        if found[1]:
            ranges = _ranges(found[2] or found[3], negated=found[1] == "P")
            piece = ranges if inside else f"[{ranges}]"
        elif inside and piece in "-|" and out[-1] in _AFTER[piece]:
            piece = f"\\{piece}"
        inside = piece != "]" if inside else piece == "["
        out.append(piece)
    return "".join(out)


@cache
def _ranges(name: str, *, negated: bool) -> str:
    """Return a POSIX class, or the characters in (or not in) a Unicode category, as ranges of a character class."""
    if name in _POSIX and not negated:
        return _POSIX[name]
    category = _ALIASES.get(name, name)
    return "".join(
        f"\\U{start:08x}-\\U{end:08x}" for start, end, found in _categories() if found.startswith(category) != negated
    )


@cache
def _categories() -> tuple[tuple[int, int, str], ...]:
    """Return the runs of characters of one category as (first, last, category)."""
    runs = []
    for start, end in _PLANES:
        for category, run in groupby(range(start, end), key=lambda code: unicodedata.category(chr(code))):
            codes = list(run)
            runs.append((codes[0], codes[-1], category))
    return tuple(runs)
