"""The built-in algorithm's serving. Status codes and texts are those of Amazon's container."""

import os
from collections.abc import Callable

from _kit import host
from _kit.handler import EXECUTION_PARAMETERS
from _kit.http import Request, Response
from _kit.log import logger
from _kit.media import acceptable
from _kit.paths import Paths

from . import answers, models, payload
from .lean import xgb

_log = logger("sagemaker-xgboost")


def main() -> None:
    """Serve the model below /opt/ml."""
    folder = Paths.read().model
    host.serve(lambda: host.App(invocations(models.load(folder)), EXECUTION_PARAMETERS, anywhere=True))


def invocations(model: models.Model) -> Callable[[Request], Response]:
    """Return what answers a prediction request; it may be called from several threads at a time."""
    batch = bool(os.environ.get("SAGEMAKER_BATCH"))
    default = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", answers.CSV)
    keys = [key.strip().lower() for key in os.environ.get("SAGEMAKER_INFERENCE_OUTPUT", "").split(",") if key.strip()]

    def invoke(request: Request) -> Response:
        if not request.body:
            return Response(204)
        try:
            rows = payload.matrix(request.body, request.content_type)
        except (payload.UnsupportedTypeError, payload.PayloadError) as error:
            return _refused(415, str(error))
        try:
            predictions = model.predict(rows, payload.kind_of(request.content_type))
        except (ValueError, xgb.core.XGBoostError) as error:
            return _refused(400, f"Unable to evaluate payload provided: {error}")
        wanted = acceptable(request.accept, default)
        kind = next((one for one in wanted if one in answers.ACCEPTED), None)
        if kind is None:
            told = ", ".join(wanted)
            known = list(answers.ACCEPTED)
            return _refused(406, f"Accept type {told} is not supported. Please use supported accept types: {known}.")
        if not keys:
            return Response(200, answers.scores(predictions.tolist(), kind, batch=batch), _header(kind))
        return Response(200, answers.selected(predictions, keys, model, kind, batch=batch), _header(kind))

    return invoke


def _refused(status: int, text: str) -> Response:
    _log.error("%s", text)
    return Response(status, text.encode())


def _header(kind: str) -> str:
    return "text/csv; charset=utf-8" if kind == answers.CSV else kind
