"""Shapes turned into functions: each shape of a service is compiled once, and a shape may contain itself."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from threading import RLock
from typing import Any, Generic, TypeVar

from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from sagebrush.kernel.wire.scalars import MalformedError

F = TypeVar("F", bound=Callable[..., Any])

MAX_DEPTH = 100
"""How deep a document may nest; what is deeper is malformed, so that nothing after the parser runs out of stack."""


class Compiler(Generic[F]):
    """Makes a function of each shape of one service model.

    `build` makes the function of one shape and calls the compiler for the shapes inside it.
    """

    def __init__(self, model: ServiceModel, build: "Callable[[Any, Compiler[F]], F]") -> None:
        self.model = model
        self._build = build
        self._done: dict[tuple[str, str], F | None] = {}
        self._lock = RLock()  # whoever meets a shape that another thread still makes a function of must wait for it

    def __call__(self, shape: Shape) -> F:
        """Return the function of a shape."""
        key = (shape.name, repr(shape.serialization))
        with self._lock:
            if key not in self._done:
                self._done[key] = None
                self._done[key] = self._build(shape, self)
            found = self._done[key]
        return self._later(key) if found is None else found

    def _later(self, key: tuple[str, str]) -> F:
        """Return a stand-in for a shape inside itself, whose function is still being made."""

        def call(*args: Any) -> Any:
            found = self._done[key]
            assert found is not None
            return found(*args)

        return call  # type: ignore[return-value]


@cache
def compiler(model: ServiceModel, build: Callable[[Any, Compiler[F]], F]) -> Compiler[F]:
    """Return the one compiler of a service model for `build`."""
    return Compiler(model, build)


def inner(shape: Shape) -> Iterator[Shape]:
    """Yield the shapes directly inside a shape."""
    if isinstance(shape, StructureShape):
        yield from shape.members.values()
    elif isinstance(shape, ListShape):
        yield shape.member
    elif isinstance(shape, MapShape):
        yield shape.key
        yield shape.value


def is_bottomless(shape: Shape) -> bool:
    """Tell whether documents of a shape may nest without end: it contains itself or a free-form document."""
    return _bottomless(shape, set(), set())


def _bottomless(shape: Shape, above: set[str], cleared: set[str]) -> bool:
    if getattr(shape, "is_document_type", False) or "jsonvalue" in shape.serialization or shape.name in above:
        return True
    if shape.name not in cleared:
        above.add(shape.name)
        if any(_bottomless(each, above, cleared) for each in inner(shape)):
            return True
        above.remove(shape.name)
        cleared.add(shape.name)
    return False


def check_depth(document: object) -> None:
    """Raise MalformedError for a document of lists and dicts that nests deeper than MAX_DEPTH."""
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [child for each in level for child in _children(each)]
        if not level:
            return
    raise MalformedError("The document is nested too deeply")


def _children(value: object) -> Iterator[object]:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (each for each in children if isinstance(each, dict | list))


def is_sparse(shape: Shape) -> bool:
    """Tell whether the elements of a list or map may be null."""
    return bool(shape._shape_model.get("sparse"))  # type: ignore[attr-defined]  # noqa: SLF001  (botocore keeps it unnamed)


def payload_of(shape: Shape | None) -> tuple[str, Shape] | None:
    """Return the member of a structure that is the whole body, by name and shape, where there is one."""
    if not isinstance(shape, StructureShape) or "payload" not in shape.serialization:
        return None
    name = shape.serialization["payload"]
    return name, shape.members[name]


def body_members(shape: StructureShape) -> dict[str, Shape]:
    """Return the members of a request's structure that no HTTP binding takes out of the body."""
    return {name: member for name, member in shape.members.items() if "location" not in member.serialization}


def said_in_body(shape: StructureShape) -> dict[str, Shape]:
    """Return the members of a response's structure that are in the body; a path or a query is not there to hold them."""
    outside = ("header", "headers", "statusCode")
    return {
        name: member for name, member in shape.members.items() if member.serialization.get("location") not in outside
    }


def wire_name(shape: Shape, name: str) -> str:
    """Return what a structure's member is called in XML and forms.

    The elements of a flattened list stand in the structure itself, and may have a name of their own.
    """
    if isinstance(shape, ListShape) and shape.serialization.get("flattened"):
        own: str | None = shape.member.serialization.get("name")
        if own:
            return own
    found: str = shape.serialization.get("name", name)
    return found


def structure(shape: Shape | None) -> StructureShape | None:
    """Return an operation's input or output as the structure that it always is."""
    assert shape is None or isinstance(shape, StructureShape)
    return shape


@cache
def exceptions(model: ServiceModel) -> Mapping[str, StructureShape]:
    """Return a service's modelled exceptions, by the code that goes over the wire and by name."""
    shapes = [shape for shape in model.error_shapes if isinstance(shape, StructureShape)]
    return {str(each.error_code): each for each in shapes} | {each.name: each for each in shapes}
