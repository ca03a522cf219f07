"""The path of a call: from a request to a response, step by step."""

import logging
from collections.abc import AsyncIterator, Awaitable
from functools import partial

from botocore import xform_name

from sagebrush.kernel.auth import payload
from sagebrush.kernel.auth.sigv4 import Terms
from sagebrush.kernel.auth.verify import verify
from sagebrush.kernel.base.errors import AwsError, not_implemented
from sagebrush.kernel.base.ids import uuid4
from sagebrush.kernel.gateway.app import TruncatedBodyError
from sagebrush.kernel.grammar.call import Call, Result, World, perform
from sagebrush.kernel.grammar.service import Services
from sagebrush.kernel.wire.faults import fault
from sagebrush.kernel.wire.http import Request, Response
from sagebrush.kernel.wire.models import is_form, service_model
from sagebrush.kernel.wire.parse import parse
from sagebrush.kernel.wire.route import Route, Router
from sagebrush.kernel.wire.serialise import serialise

log = logging.getLogger(__name__)

BODY_LIMIT = 32 * 2**20
"""The most bytes of a body that is read whole; no AWS operation without a stream takes more."""


class Chain:
    """route → verify → body → parse → (validate → authorise → operate) → serialise."""

    def __init__(self, world: World, services: Services) -> None:
        self._world = world
        self._services = services
        self._router = Router(services.names)

    async def handle(self, request: Request, body: AsyncIterator[bytes]) -> Response:
        """Answer one request; every refusal and every failure in its protocol's own shape."""
        request_id = uuid4()
        route: Route | None = None
        try:
            if is_form(request):  # the operation's name is in the body
                request.body = await _whole(request, body)
            route = self._router.match(request)
            return await self._answer(route, request, body, request_id)
        except AwsError as error:
            return fault(route, request, error, request_id)
        except TruncatedBodyError:
            text = "You did not provide the number of bytes specified by the Content-Length HTTP header"
            return fault(route, request, AwsError("IncompleteBody", text), request_id)
        except Exception:  # a defect of ours: the client gets AWS's words for it, the log gets the facts
            log.exception("request %s failed", request_id)
            text = "We encountered an internal error. Please try again."
            return fault(route, request, AwsError("InternalFailure", text, 500), request_id)

    async def _answer(self, route: Route, request: Request, body: AsyncIterator[bytes], request_id: str) -> Response:
        s3 = route.protocol == "rest-xml"
        # A signature covers the body's hash. S3's clients state it; from others the body must be there to be verified.
        streams = route.operation.has_streaming_input and (s3 or "x-amz-content-sha256" in request.headers)
        if not streams and not request.body:
            request.body = await _whole(request, body)
        signed = verify(request, self._terms(route, request))
        if streams:
            request.stream = payload.Stream(body, signed, request.headers, route.protocol)
        else:
            request.body, trailers = payload.whole(request.body, signed, request.headers, route.protocol)
            request.trailers.update(trailers)
            if request.headers.get("content-encoding") == "gzip" and not s3:
                request.body = payload.gunzip(request.body)
            request.stream = _once(request.body)
        operation = self._services.operation(route.service, xform_name(route.operation.name))
        if operation is None:
            raise not_implemented(route.service, route.operation.name)
        region = signed.region or self._world.settings.region
        call = Call(self._world, operation, parse(route, request), signed.identity, region, request)
        result = await self._perform(call)
        response = serialise(route, result or {}, request_id)
        response.headers.extend(call.response_headers)
        return response

    def _terms(self, route: Route, request: Request) -> Terms:
        signing_name = service_model(route.service).signing_name
        return Terms(
            self._world.identities.find, self._world.clock.wall(), route.protocol, signing_name, request.bucket
        )

    async def _perform(self, call: Call) -> Result | None:
        """Run the operation: streams on the event loop, everything else on a thread."""
        if call.operation.streams:
            outcome = perform(call)
        else:
            assert self._world.loop is not None
            outcome = await self._world.loop.run_in_executor(self._world.pool, partial(perform, call))
        return await outcome if isinstance(outcome, Awaitable) else outcome


async def _whole(request: Request, body: AsyncIterator[bytes]) -> bytes:
    """Read a body that does not stream. Raises AwsError where it is too large."""
    length = request.headers.get("content-length")
    if length.isdecimal() and int(length) > BODY_LIMIT:
        raise _too_large()
    chunks: list[bytes] = []
    size = 0
    async for chunk in body:
        size += len(chunk)
        if size > BODY_LIMIT:
            raise _too_large()
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _too_large() -> AwsError:
    return AwsError("RequestEntityTooLargeException", f"The request is larger than {BODY_LIMIT} bytes.", 413)
