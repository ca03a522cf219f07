"""Hypothesis strategies out of botocore's shapes: wild values that are well-formed, whatever they mean."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from sagebrush.kernel.wire.models import service_model

Known = Mapping[str, st.SearchStrategy[Any] | None]
"""By the name of a member: what to take instead of anything, wherever it may stand; None leaves it out."""

wild = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
NAMES = st.text("abcdefghij", min_size=1, max_size=12)
CHARACTERS = st.characters(exclude_categories=["Cs"])

_ODD = st.sampled_from([
    "", ".", "..", "../..", "/", "\x00", "a\x00b", "a/../../b", "$(id)", "%s", "\ufeff", "\u202e", "𐐷", "a" * 300,
    "s3://", "s3://b", "arn:aws:x", "{", "\\", "\n",
])  # fmt: skip
_LONGEST = 64
_DEEPEST = 4


def requests(operation: str, service: str, **known: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Return what makes requests of an operation; `known` values may be strategies, None, or the value itself."""
    shape = service_model(service).operation_model(operation).input_shape
    assert isinstance(shape, StructureShape)
    return structure(
        shape,
        {
            name: made if made is None or isinstance(made, st.SearchStrategy) else st.just(made)
            for name, made in known.items()
        },
    )


def value(shape: Shape, known: Known, name: str = "", depth: int = 0) -> st.SearchStrategy[Any]:
    """Return what makes values of a shape's kind; within its bounds more often than not."""
    given = known.get(name)
    if given is not None:
        return given
    if isinstance(shape, StructureShape):
        return structure(shape, known, depth)
    if isinstance(shape, ListShape):
        least = min(int(shape.metadata.get("min", 0)), 3)
        return st.lists(value(shape.member, known, "", depth + 1), min_size=least, max_size=3)
    if isinstance(shape, MapShape):
        keys, values = value(shape.key, known, "", depth + 1), value(shape.value, known, "", depth + 1)
        return st.dictionaries(keys, values, max_size=3)
    return _scalar(shape)


def structure(shape: StructureShape, known: Known, depth: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    """Return what makes structures: all members that are required or known, and some others."""
    always = {name for name in shape.members if known.get(name) is not None}.union(shape.required_members)
    made = {name: _later(member, known, name, depth + 1) for name, member in shape.members.items()}
    others = sorted(set(shape.members) - always - set(known)) if depth < _DEEPEST else []
    few = st.lists(st.sampled_from(others), unique=True, max_size=3) if others else st.just([])
    return few.flatmap(lambda names: st.fixed_dictionaries({name: made[name] for name in [*sorted(always), *names]}))


def _later(shape: Shape, known: Known, name: str, depth: int) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: value(shape, known, name, depth))


def _scalar(shape: Shape) -> st.SearchStrategy[Any]:
    kind = shape.type_name
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if kind in {"string", "character"}:
        return _text(shape, low, high)
    if kind in {"integer", "long"}:
        bound = 2**31 if kind == "integer" else 2**63
        return st.integers(max(low or 0, -bound), min(high or bound - 1, bound - 1)) | st.integers(-bound, bound - 1)
    if kind in {"float", "double"}:
        return st.floats(allow_nan=False, allow_infinity=False)
    if kind == "boolean":
        return st.booleans()
    if kind == "timestamp":
        return st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
    return st.binary(max_size=200)


def _text(shape: Shape, low: Any, high: Any) -> st.SearchStrategy[str]:
    if isinstance(shape, StringShape) and shape.enum:
        return st.sampled_from(shape.enum)
    least, most = min(int(low or 0), _LONGEST), min(int(high or _LONGEST), _LONGEST)
    plain = st.text("abcXYZ019-", min_size=max(least, 1), max_size=max(most, 1))
    return plain | plain | st.text(CHARACTERS, min_size=least, max_size=max(least, most)) | _ODD


def answered(call: Callable[..., Any], **params: Any) -> dict[str, Any] | None:
    """Return the answer, or None where the call is refused for what it asks; fail where the platform is at fault."""
    try:
        return dict(call(**params))
    except ClientError as error:
        told = error.response
        assert told["ResponseMetadata"]["HTTPStatusCode"] < 500 or told["Error"]["Code"] == "NotImplemented", told
        assert told["Error"]["Message"], told
        return None


def missing(shown: Any, asked: Any, path: str = "") -> str:
    """Return where a description is not as it was asked for, or nothing.

    It may say more, and nothing of what is empty.
    """
    if asked in ([], {}) and shown is None:
        return ""
    if isinstance(asked, dict) and isinstance(shown, dict):
        found = (missing(shown.get(name), item, f"{path}.{name}") for name, item in asked.items())
        return next(filter(None, found), "")
    if isinstance(asked, list) and isinstance(shown, list) and len(shown) == len(asked):
        pairs = enumerate(zip(shown, asked, strict=True))
        return next(filter(None, (missing(one, other, f"{path}[{number}]") for number, (one, other) in pairs)), "")
    return "" if shown == asked else f"{path}: {asked!r} became {shown!r}"
