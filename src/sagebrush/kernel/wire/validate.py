"""Parameters against the model's constraints, in AWS's words.

A shape is compiled to a function that returns the violations in a value, and to nothing where no value can violate it;
so a valid request costs a walk over its constrained members and no text is made. In the text, a path is in camel case and
elements of lists go by number: `inputDataConfig.1.member.channelName`. Values of sensitive shapes are never repeated.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape

from sagebrush.kernel.wire.codes import invalid
from sagebrush.kernel.wire.patterns import matcher
from sagebrush.kernel.wire.shapes import Compiler, body_members, compiler, inner, is_sparse, structure

_LONGEST = 1024  # characters of a value that are repeated
_MATCHED = 10_000  # characters of a text of no modelled length that patterns are tried on: some take the square of it


class Violation(NamedTuple):
    """A constraint that a value breaks. `path` leads to it from where it was found; `value` is as shown, or empty."""

    path: str
    value: str
    constraint: str

    def below(self, step: str) -> "Violation":
        """Return the violation as seen from one step above."""
        return Violation(f"{step}.{self.path}" if self.path else step, self.value, self.constraint)

    def __str__(self) -> str:
        value = f"Value {self.value}" if self.value else "Value"
        return f"{value} at '{self.path}' failed to satisfy constraint: {self.constraint}"


Check = Callable[[Any], Sequence[Violation]]
Rule = tuple[Callable[[Any], bool], str]
"""Whether a value obeys, and what it must do."""


def validate(operation: OperationModel, params: Mapping[str, Any]) -> None:
    """Check an operation's parameters: required, enum, length, range, pattern, unions.

    Raises AwsError, in the service's own code, with every violation in its message.
    """
    found = _check_of(operation)(params)
    if not found:
        return
    many = "s" if len(found) > 1 else ""
    message = f"{len(found)} validation error{many} detected: {'; '.join(map(str, found))}"
    inside = _body_steps(operation)
    raise invalid(operation, message, in_body=found[0].path.partition(".")[0] in inside)


def _passes(_: Any) -> Sequence[Violation]:
    return ()


@cache
def _check_of(operation: OperationModel) -> Check:
    shape = structure(operation.input_shape)
    return compiler(operation.service_model, _build)(shape) if shape else _passes


@cache
def _body_steps(operation: OperationModel) -> Collection[str]:
    shape = structure(operation.input_shape)
    return frozenset(map(_camel, body_members(shape))) if shape else ()


def _build(shape: Shape, compile_shape: Compiler[Check]) -> Check:
    if isinstance(shape, StructureShape):
        return _passes if shape.is_document_type else _structure(shape, compile_shape)
    if isinstance(shape, ListShape):
        return _list(shape, compile_shape)
    if isinstance(shape, MapShape):
        return _map(shape, compile_shape)
    return _scalar(shape)


def _structure(shape: StructureShape, compile_shape: Compiler[Check]) -> Check:
    required = [(name, Violation(_camel(name), "null", "Member must not be null")) for name in shape.required_members]
    checks = {}
    for name, member in shape.members.items():
        check = compile_shape(member)
        if check is not _passes:
            checks[name] = (_camel(name), check)
    union = frozenset(shape.members) if shape.is_tagged_union else None
    if not required and not checks and union is None:
        return _passes

    def check_members(value: Mapping[str, Any]) -> Sequence[Violation]:
        found = [violation for name, violation in required if value.get(name) is None]
        if union is not None and sum(value.get(name) is not None for name in union) != 1:
            found.append(Violation("", "", "Member must have exactly one of its members set"))
        for name, item in value.items():
            if item is not None and (member := checks.get(name)):
                step, check = member
                below = check(item)
                if below:
                    found.extend(violation.below(step) for violation in below)
        return found

    return check_members


def _list(shape: ListShape, compile_shape: Compiler[Check]) -> Check:
    rules = _length_rules(shape)
    nulls = not is_sparse(shape)
    nested = isinstance(shape.member, StructureShape | ListShape | MapShape)
    check = compile_shape(shape.member) if nested else _passes
    element_rules = [] if nested else _rules(shape.member)
    of_elements = f"Member must satisfy constraint: [{_joined(element_rules)}]"

    def check_elements(value: Sequence[Any]) -> Sequence[Violation]:
        found = _broken(rules, value, shape)
        if nulls and None in value:
            found.extend(
                Violation(f"{number}.member", "null", "Member must not be null")
                for number, item in enumerate(value, 1)
                if item is None
            )
        if element_rules and not all(obeys(item) for item in value if item is not None for obeys, _ in element_rules):
            found.append(Violation("", _shown(value, shape), of_elements))
        if check is not _passes:
            for number, item in enumerate(value, 1):
                if item is not None:
                    found.extend(violation.below(f"{number}.member") for violation in check(item))
        return found

    return check_elements


def _map(shape: MapShape, compile_shape: Compiler[Check]) -> Check:
    rules = _length_rules(shape)
    key_rules = _rules(shape.key)
    nulls = not is_sparse(shape)
    nested = isinstance(shape.value, StructureShape | ListShape | MapShape)
    check = compile_shape(shape.value) if nested else _passes
    value_rules = [] if nested else _rules(shape.value)
    of_keys, of_values = (f"[{_joined(each)}]" for each in (key_rules, value_rules))

    def check_entries(value: Mapping[str, Any]) -> Sequence[Violation]:
        found = _broken(rules, value, shape)
        if key_rules and not all(obeys(key) for key in value for obeys, _ in key_rules):
            found.append(Violation("", _shown(value, shape), f"Map keys must satisfy constraint: {of_keys}"))
        if value_rules and not all(
            obeys(item) for item in value.values() if item is not None for obeys, _ in value_rules
        ):
            found.append(Violation("", _shown(value, shape), f"Map value must satisfy constraint: {of_values}"))
        for key, item in value.items():
            if item is None and nulls:
                found.append(Violation(f"{key}.member", "null", "Member must not be null"))
            elif item is not None and check is not _passes:
                found.extend(violation.below(f"{key}.member") for violation in check(item))
        return found

    return check_entries


def _scalar(shape: Shape) -> Check:
    rules = _rules(shape)
    if not rules:
        return _passes
    if len(rules) == 1:
        obeys, _ = rules[0]
        return lambda value: () if obeys(value) else _broken(rules, value, shape)
    return lambda value: _broken(rules, value, shape)


def _broken(rules: Sequence[Rule], value: Any, shape: Shape) -> list[Violation]:
    return [Violation("", _shown(value, shape), text) for obeys, text in rules if not obeys(value)]


def _joined(rules: Sequence[Rule]) -> str:
    return ", ".join(text for _, text in rules)


def _rules(shape: Shape) -> list[Rule]:
    """Return the constraints on a scalar by itself."""
    if isinstance(shape, StringShape):
        return [*_enum_rules(shape), *_length_rules(shape), *_pattern_rules(shape)]
    if shape.type_name == "blob":
        return _length_rules(shape)
    return _range_rules(shape) if shape.type_name in ("integer", "long", "float", "double") else []


def _enum_rules(shape: StringShape) -> Iterator[Rule]:
    if shape.enum:
        yield frozenset(shape.enum).__contains__, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"


def _pattern_rules(shape: Shape) -> Iterator[Rule]:
    pattern, longest = shape.metadata.get("pattern"), shape.metadata.get("max", _MATCHED)
    compiled = matcher(pattern) if pattern else None
    if compiled is not None:
        search = compiled.search
        # A text that is too long is refused for that; no pattern is tried on it, however long it would take.
        yield (
            lambda value: len(value) > longest or search(value) is not None,
            f"Member must satisfy regular expression pattern: {pattern}",
        )


def _length_rules(shape: Shape) -> list[Rule]:
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max")
    rules: list[Rule] = []
    if high is not None:
        rules.append((lambda value: not _length(value) > high, f"Member must have length less than or equal to {high}"))
    if low > 0:
        rules.append(
            (lambda value: not _length(value) < low, f"Member must have length greater than or equal to {low}")
        )
    return rules


def _length(value: Any) -> float:
    """Return how long a text, blob, list or map is; a body that streams is as long as it turns out to be."""
    return len(value) if hasattr(value, "__len__") else float("nan")


def _range_rules(shape: Shape) -> list[Rule]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    rules: list[Rule] = []
    if high is not None:
        rules.append((lambda value: value <= high, f"Member must have value less than or equal to {high}"))
    if low is not None:
        rules.append((lambda value: value >= low, f"Member must have value greater than or equal to {low}"))
    return rules


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def _shown(value: Any, shape: Shape) -> str:
    """Return a value as a message repeats it; nothing for what is sensitive or holds what is."""
    return "" if _is_sensitive(shape, set()) else f"'{_java(value)}'"


def _is_sensitive(shape: Shape, seen: set[str]) -> bool:
    if shape.metadata.get("sensitive"):
        return True
    if shape.name in seen:
        return False
    seen.add(shape.name)
    return any(_is_sensitive(each, seen) for each in inner(shape))


def _java(value: Any) -> str:
    """Return a value as Java prints it, cut where it gets long."""
    if isinstance(value, Mapping):
        text = f"{{{', '.join(f'{key}={_java(item)}' for key, item in value.items())}}}"
    elif isinstance(value, list | tuple):
        text = f"[{', '.join(map(_java, value))}]"
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, bytes):
        text = f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    else:
        text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
