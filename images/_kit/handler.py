"""User code behind /invocations: model_fn, input_fn, predict_fn, output_fn, transform_fn.

What AWS's inference toolkit does: the functions come from SAGEMAKER_PROGRAM (default inference.py) in
/opt/ml/model/code or SAGEMAKER_SUBMIT_DIRECTORY; what the user leaves out is the framework's default. Each may take one
more argument, the context.
"""

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from _kit import script
from _kit.environment import cpus
from _kit.errors import BadInputError, UnsupportedFormatError
from _kit.host import App
from _kit.http import Request, Response
from _kit.log import logger
from _kit.media import acceptable, media_type
from _kit.paths import Paths

_log = logger("sagemaker-inference-toolkit")
_TEXT = {"application/json", "text/csv"}

EXECUTION_PARAMETERS = {"MaxConcurrentTransforms": cpus(), "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}


@dataclass(frozen=True)
class Framework:
    """What a framework does where the user's module has no function of that name.

    `output_fn(prediction, media type)` returns the body; it raises UnsupportedFormatError for a type it cannot write.
    """

    input_fn: Callable[[Any, str], Any]
    predict_fn: Callable[[Any, Any], Any]
    output_fn: Callable[[Any, str], bytes]


@dataclass
class Context:
    """What the functions may ask of a request, and tell of its response; the model server's context, in short."""

    model_dir: str
    request: Request | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str | None = None

    @property
    def system_properties(self) -> Mapping[str, Any]:
        return {"model_dir": self.model_dir, "gpu_id": None}

    @property
    def request_processor(self) -> "list[Context]":
        return [self]

    def get_request_properties(self) -> dict[str, str]:
        return {name.title(): value for name, value in self._headers.items()}

    def get_request_header(self, index: int, name: str) -> str | None:  # noqa: ARG002  (batches hold one request here)
        return self._headers.get(name.lower())

    get_all_request_header = get_request_properties

    @property
    def _headers(self) -> dict[str, str]:
        return self.request.headers if self.request else {}

    def set_response_content_type(self, index: int, value: str) -> None:  # noqa: ARG002  (as above)
        self.content_type = value

    def set_response_header(self, index: int, name: str, value: str) -> None:  # noqa: ARG002  (as above)
        self.headers[name] = value

    def set_response_status(self, code: int = 200, phrase: str = "", index: int = 0) -> None:  # noqa: ARG002  (as above)
        self.status = code


def code_folder(paths: Paths) -> Path:
    """Return where the user's inference code lies; the platform puts what SAGEMAKER_SUBMIT_DIRECTORY names there."""
    named = Path(os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "").removeprefix("file://"))
    return named if named.is_absolute() and named.is_dir() else paths.model / "code"


def prepare(paths: Paths) -> None:
    """Install what the user's code requires; once, before the workers start."""
    script.install_requirements(code_folder(paths))


def load(framework: Framework, paths: Paths) -> App:
    """Import the user's module, load its model, and return what serves it. Raises whatever the user's code raises."""
    module = _module(code_folder(paths), os.environ.get("SAGEMAKER_PROGRAM") or "inference.py")
    context = Context(str(paths.model))
    pipeline = _pipeline(module, framework)
    model_fn = getattr(module, "model_fn", None)
    if model_fn is None:
        raise NotImplementedError(
            "Please provide a model_fn implementation.\n"
            "See documentation for model_fn at https://github.com/aws/sagemaker-python-sdk"
        )
    model = call(model_fn, context, str(paths.model))
    default = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json")
    told = getattr(module, "execution_parameters_fn", lambda: EXECUTION_PARAMETERS)()
    return App(lambda request: _invoke(pipeline, model, request, str(paths.model), default), told)


def call(function: Callable[..., Any], context: Context, *arguments: Any) -> Any:
    """Call a user's function, with the context where it takes one argument more."""
    takes = len(inspect.signature(function).parameters)
    if takes == len(arguments):
        return function(*arguments)
    if takes == len(arguments) + 1:
        return function(*arguments, context)
    raise TypeError(f"{function.__name__} takes {takes} arguments but {len(arguments)} were given.")


def _module(folder: Path, program: str) -> ModuleType:
    path = folder / program
    if not path.is_file():
        raise FileNotFoundError(f"{program} is not in {folder}, where SAGEMAKER_PROGRAM is looked for")
    sys.path.insert(0, str(folder))
    name = program.removesuffix(".py").replace("/", ".")
    return importlib.import_module(name)


_Pipeline = Callable[[Context, Any, Any, str, list[str]], tuple[Any, str]]


def _pipeline(module: ModuleType, framework: Framework) -> _Pipeline:
    """Return what goes from a request's data to a response's body and content type."""
    own = {name: getattr(module, name, None) for name in ("transform_fn", "input_fn", "predict_fn", "output_fn")}
    transform_fn = own.pop("transform_fn")
    if transform_fn and any(own.values()):
        raise ValueError(
            "Cannot use transform_fn implementation in conjunction with "
            "input_fn, predict_fn, and/or output_fn implementation"
        )
    if transform_fn:
        return lambda context, model, data, content_type, accept: _typed(
            call(transform_fn, context, model, data, content_type, ", ".join(accept)), accept[0]
        )
    input_fn, predict_fn = own["input_fn"] or framework.input_fn, own["predict_fn"] or framework.predict_fn
    output_fn = own["output_fn"]

    def run(context: Context, model: Any, data: Any, content_type: str, accept: list[str]) -> tuple[Any, str]:
        prediction = call(predict_fn, context, call(input_fn, context, data, content_type), model)
        if output_fn:
            return _typed(call(output_fn, context, prediction, ", ".join(accept)), accept[0])
        return _written(framework, prediction, accept)

    return run


def _written(framework: Framework, prediction: Any, accept: list[str]) -> tuple[Any, str]:
    for kind in accept:
        try:
            return framework.output_fn(prediction, kind), kind
        except UnsupportedFormatError:
            continue
    raise _NotAcceptableError(", ".join(accept))


class _NotAcceptableError(UnsupportedFormatError):
    """Nothing that the client accepts can be written."""


def _typed(result: Any, accept: str) -> tuple[Any, str]:
    return result if isinstance(result, tuple) else (result, accept)


def _invoke(pipeline: _Pipeline, model: Any, request: Request, model_dir: str, default: str) -> Response:
    context = Context(model_dir, request)
    content_type = request.content_type or "application/json"
    data = request.body.decode() if media_type(content_type)[0] in _TEXT else request.body
    try:
        body, kind = pipeline(context, model, data, content_type, acceptable(request.accept, default))
    except _NotAcceptableError as error:
        return Response(406, str(error).encode())
    except UnsupportedFormatError as error:
        return Response(415, str(error).encode())
    except BadInputError as error:
        return Response(400, str(error).encode())
    return Response(context.status, _body(body), context.content_type or kind, context.headers)


def _body(result: Any) -> "bytes | Iterable[bytes]":
    if isinstance(result, Generator | Iterator):
        return map(_bytes, result)
    return _bytes(result)


def _bytes(part: Any) -> bytes:
    return (
        part
        if isinstance(part, bytes)
        else bytes(part)
        if isinstance(part, bytearray | memoryview)
        else str(part).encode()
    )
