"""Which operation of which service a request is for.

In order: the X-Amz-Target header; a form's Action and Version; the service that the signature's credential scope names,
or the host, with the path templates of the services that sign so; Amazon S3 for everything else.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from botocore.model import OperationModel

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire import form_codec, models
from sagebrush.kernel.wire.hosts import bucket_at, host_name, services_at
from sagebrush.kernel.wire.http import Headers, Request
from sagebrush.kernel.wire.models import Head, head, is_form, protocol_of, service_model
from sagebrush.kernel.wire.paths import paths_of
from sagebrush.kernel.wire.scalars import MalformedError

_REST = frozenset({"rest-json", "rest-xml"})
_FORMS = frozenset({"query", "ec2"})


@dataclass(frozen=True, slots=True)
class Route:
    """A request's operation. `service` is botocore's name; `labels` are those of the path, decoded."""

    service: str
    operation: OperationModel
    labels: Mapping[str, str] = field(default_factory=dict)
    protocol: str = "json"


class Router:
    """Finds operations, of the services registered and of all others that botocore has.

    Where services cannot be told apart, registered ones come first. `hosts` are the names under which this platform is
    reached; a name below one of them is a bucket's.
    """

    def __init__(self, services: Iterable[str], hosts: Sequence[str] = ("localhost",)) -> None:
        self._registered = frozenset(services)
        self._hosts = tuple(hosts)
        self._targets: dict[str, Route] = {}
        self._heads = {found.target_prefix: found for found in map(head, self._registered) if found.target_prefix}

    def match(self, request: Request) -> Route:
        """Return the route of a request; a form must have its body by now.

        Sets `request.bucket` where the host names a bucket. Raises AwsError where no operation answers.
        """
        target = request.headers.get("x-amz-target")
        if target:
            return self._targets.get(target) or self._by_target(target)
        if is_form(request):
            found = self._by_action(request)
            if found:
                return found
        scope = credential_scope(request)
        candidates = self._candidates(scope, host_name(request.headers.get("host")))
        if candidates:
            return _by_path(candidates, request)
        return self._s3(request)

    def _by_target(self, target: str) -> Route:
        prefix, _, name = target.rpartition(".")
        known = (self._heads[prefix],) if prefix in self._heads else models.by_target_prefix(prefix)
        for each in self._first(known):
            model = service_model(each.name)
            if name in model.operation_names:
                protocol = "json" if "json" in each.protocols else each.protocol
                return self._targets.setdefault(target, Route(each.name, model.operation_model(name), {}, protocol))
        raise AwsError("UnknownOperationException", f"There is no operation with the target {target[:200]}.")

    def _by_action(self, request: Request) -> Route | None:
        """Return the route of a form, or None where it has no Action and may be for a REST service."""
        try:
            fields = form_codec.fields(request.body, request.query)
        except MalformedError as error:
            raise AwsError("MalformedQueryString", str(error)) from error
        action, version, scope = fields.get("Action", ""), fields.get("Version", ""), credential_scope(request)
        if not action:
            return None
        known = models.by_api_version(version) or models.by_signing_name(scope)
        for each in sorted(self._first(known), key=lambda each: each.signing_name != scope):
            protocol = protocol_of(each, request)
            if protocol in _FORMS:
                model = service_model(each.name)
                if action in model.operation_names:
                    return Route(each.name, model.operation_model(action), {}, protocol)
        raise AwsError("InvalidAction", f"Could not find operation {action[:100]} for version {version[:20]}")

    def _candidates(self, scope: str, host: str) -> list[Head]:
        """Return the REST services that sign as `scope`, or that live at `host`; those at the host come first."""
        there = services_at(host)
        known = models.by_signing_name(scope) if scope else there
        if any(each.name == "s3" for each in known) or not known:
            return []
        return sorted(self._first(known), key=lambda each: each not in there)

    def _first(self, known: Iterable[Head]) -> list[Head]:
        return sorted(known, key=lambda each: each.name not in self._registered)

    def _s3(self, request: Request) -> Route:
        host = host_name(request.headers.get("host"))
        if _is_s3_control(request, host):
            return _by_path([head("s3control")], request)
        request.bucket = bucket_at(host, self._hosts)
        # What nobody signed is refused, whoever it is for; but in the words of the service that it looks like.
        signed = "authorization" in request.headers or "Signature=" in request.query or request.bucket
        others = [] if signed else map(head, sorted(self._registered - {"s3"}))
        return _by_path([*others, head("s3")], request)


def credential_scope(request: Request) -> str:
    """Return the service that a request's Version 4 signature names, or nothing where there is none."""
    authorization = request.headers.get("authorization")
    if authorization.startswith("AWS4-"):
        _, _, rest = authorization.partition("Credential=")
        parts = rest.partition(",")[0].strip().split("/")
    elif "X-Amz-Credential=" in request.query:
        _, _, rest = request.query.partition("X-Amz-Credential=")
        parts = unquote(rest.partition("&")[0]).split("/")
    else:
        return ""
    return parts[-2] if len(parts) >= 4 else ""


def _by_path(candidates: Sequence[Head], request: Request) -> Route:
    path = f"/{request.bucket}{request.path}" if request.bucket else request.path
    for each in candidates:
        if not _REST.isdisjoint(each.protocols):
            try:
                found = paths_of(each.name).match(request.method, path, request.query, request.headers)
            except MalformedError as error:
                raise AwsError("InvalidURI", str(error)) from error
            if found and _is_meant(each.name, found[0].name, found[1], request):
                return Route(each.name, found[0], found[1], next(p for p in each.protocols if p in _REST))
    if candidates[-1].name == "s3":
        message = "The specified method is not allowed against this resource."
        raise AwsError("MethodNotAllowed", message, 405)
    raise AwsError("UnknownOperationException", f"There is no operation {request.method} {request.path[:200]}.", 404)


def _is_s3_control(request: Request, host: str) -> bool:
    """Tell whether a request that signs as s3 is for S3 Control, which has an account and a version in its path."""
    return request.path.startswith("/v20180820/") and (
        "x-amz-account-id" in request.headers or any(each.name == "s3control" for each in services_at(host))
    )


def _is_meant(service: str, operation: str, labels: Mapping[str, str], request: Request) -> bool:
    """Settle the paths that two services of one signing name share."""
    settle = _SHARED_PATHS.get((service, operation))
    return settle is None or settle(labels, request.headers)


def _not_a_session(labels: Mapping[str, str], _: Headers) -> bool:
    return ":session/" not in labels["resourceArn"]


_SHARED_PATHS: dict[tuple[str, str], Callable[[Mapping[str, str], Headers], bool]] = {
    # bedrock-agent-runtime has the same paths; it owns sessions alone, and its InvokeInlineAgent has a body.
    ("bedrock-agent", "PrepareAgent"): lambda _, headers: headers.get("content-length", "0") == "0",
    ("bedrock-agent", "ListTagsForResource"): _not_a_session,
    ("bedrock-agent", "TagResource"): _not_a_session,
    ("bedrock-agent", "UntagResource"): _not_a_session,
}
