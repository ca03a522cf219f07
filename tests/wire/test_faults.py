"""Refusals, in the shape that each protocol's clients read."""

import json
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from tests.wire.botocore_client import result_of

from sagebrush.kernel.base.errors import AwsError, not_implemented
from sagebrush.kernel.wire.faults import fault
from sagebrush.kernel.wire.http import Headers, Request, Response
from sagebrush.kernel.wire.models import service_model
from sagebrush.kernel.wire.route import Route


def route(service: str, name: str, protocol: str) -> Route:
    return Route(service, service_model(service).operation_model(name), {}, protocol)


def asked(method: str = "POST", path: str = "/", **headers: str) -> Request:
    return Request(method, path, headers=Headers((name.replace("_", "-"), value) for name, value in headers.items()))


def body_of(response: Response) -> Any:
    assert isinstance(response.body, bytes)
    return json.loads(response.body)


def elements_of(response: Response) -> dict[str, str]:
    assert isinstance(response.body, bytes)
    return {each.tag.rpartition("}")[2]: each.text or "" for each in fromstring(response.body).iter()}


def test_a_json_fault_names_its_type_in_body_and_header() -> None:
    response = fault(
        route("sagemaker", "DescribeModel", "json"), asked(), AwsError("ValidationException", "no"), "id-1"
    )
    assert response.status == 400
    assert body_of(response) == {"__type": "ValidationException", "message": "no"}
    assert dict(response.headers) == {
        "x-amzn-RequestId": "id-1",
        "x-amzn-ErrorType": "ValidationException",
        "content-type": "application/x-amz-json-1.1",
    }


def test_a_modelled_member_called_message_keeps_its_spelling() -> None:
    response = fault(
        route("sagemaker", "DescribePipeline", "json"), asked(), AwsError("ResourceNotFound", "gone"), "id"
    )
    assert body_of(response) == {"__type": "ResourceNotFound", "message": "gone", "Message": "gone"}


def test_a_models_error_carries_its_members_and_its_status() -> None:
    fields = {"OriginalStatusCode": 500, "OriginalMessage": "boom", "LogStreamArn": "arn"}
    error = AwsError("ModelError", "Received server error (500)", fields=fields)
    response = fault(route("sagemaker-runtime", "InvokeEndpoint", "rest-json"), asked(), error, "id")
    assert response.status == 424
    assert body_of(response) == {"__type": "ModelError", "Message": "Received server error (500)", **fields}


@pytest.mark.parametrize(
    ("service", "name", "protocol", "code", "status"),
    [
        ("opensearch", "DescribeDomain", "rest-json", "ResourceNotFoundException", 409),
        ("sagemaker-runtime", "InvokeEndpoint", "rest-json", "InternalDependencyException", 530),
        ("quicksight", "DescribeDashboard", "rest-json", "AccessDeniedException", 401),
        ("glue", "GetTable", "json", "EntityNotFoundException", 400),
        ("iam", "GetRole", "query", "NoSuchEntity", 404),
        ("lambda", "Invoke", "rest-json", "ServiceException", 500),
    ],
)
def test_the_status_comes_from_the_model(service: str, name: str, protocol: str, code: str, status: int) -> None:
    assert fault(route(service, name, protocol), asked(), AwsError(code, "m"), "id").status == status


def test_a_status_that_was_set_stays() -> None:
    assert fault(route("iam", "GetRole", "query"), asked(), AwsError("NoSuchEntity", "m", 410), "id").status == 410


def test_an_operation_we_lack_is_501_in_every_protocol() -> None:
    for service, name, protocol in (
        ("sagemaker", "CreateHub", "json"),
        ("lambda", "Invoke", "rest-json"),
        ("s3", "GetBucketCors", "rest-xml"),
        ("iam", "GetUser", "query"),
    ):
        operation = service_model(service).operation_model(name)
        response = fault(route(service, name, protocol), asked("GET"), not_implemented(service, name), "id")
        error = result_of(response, operation, protocol)["Error"]
        assert (response.status, error["Code"]) == (501, "NotImplemented")
        assert name in error["Message"]


def test_a_client_that_once_spoke_query_gets_its_old_code() -> None:
    of = route("cloudwatch", "PutMetricAlarm", "json")
    for code in ("LimitExceededFault", "LimitExceeded"):
        response = fault(of, asked(x_amzn_query_mode="true"), AwsError(code, "too many"), "id")
        assert dict(response.headers)["x-amzn-query-error"] == "LimitExceeded;Sender"
        assert body_of(response)["__type"] == "LimitExceededFault"
        assert result_of(response, of.operation, "json")["Error"]["Code"] == "LimitExceeded"
    assert "x-amzn-query-error" not in dict(
        fault(of, asked(), AwsError("LimitExceededFault", "too many"), "id").headers
    )


def test_a_query_fault_tells_who_is_to_blame() -> None:
    of = route("sts", "AssumeRole", "query")
    sender = elements_of(fault(of, asked(), AwsError("ValidationError", "<no>"), "id-1"))
    assert (sender["Type"], sender["Code"], sender["Message"], sender["RequestId"]) == (
        "Sender",
        "ValidationError",
        "<no>",
        "id-1",
    )
    assert elements_of(fault(of, asked(), AwsError("InternalFailure", "oops", 500), "id"))["Type"] == "Receiver"


def test_an_s3_fault_names_the_resource_and_all_that_is_known() -> None:
    error = AwsError(
        "NoSuchKey",
        "The specified key does not exist.",
        404,
        fields={"Key": "a&b"},
        headers={"x-amz-delete-marker": "true"},
    )
    response = fault(route("s3", "GetObject", "rest-xml"), asked("GET", "/b/a%26b"), error, "id-1")
    said = elements_of(response)
    assert (said["Code"], said["Key"], said["Resource"], said["RequestId"]) == ("NoSuchKey", "a&b", "/b/a%26b", "id-1")
    headers = dict(response.headers)
    assert headers["x-amz-request-id"] == "id-1"
    assert headers["x-amz-id-2"] == said["HostId"]
    assert headers["x-amz-delete-marker"] == "true"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 404), ("GET", 304)])
def test_some_s3_faults_have_no_body(method: str, status: int) -> None:
    response = fault(route("s3", "HeadObject", "rest-xml"), asked(method, "/b/k"), AwsError("Any", "m", status), "id")
    assert (response.status, response.body) == (status, b"")


def test_a_fault_of_other_xml_services_is_wrapped() -> None:
    response = fault(
        route("route53", "GetHostedZone", "rest-xml"), asked("GET"), AwsError("NoSuchHostedZone", "none"), "id"
    )
    assert response.status == 404
    assert elements_of(response)["Code"] == "NoSuchHostedZone"


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (asked(x_amz_target="Nobody.Knows"), "json"),
        (asked(content_type="application/json"), "json"),
        (asked(content_type="application/x-www-form-urlencoded"), "query"),
        (asked("GET", "/b"), "s3"),
        (
            asked(
                "GET",
                "/x",
                authorization="AWS4-HMAC-SHA256 Credential=A/20261121/r/sagemaker/aws4_request, Signature=0",
            ),
            "json",
        ),
    ],
)
def test_a_request_for_nobody_is_refused_in_the_words_of_its_sender(request_: Request, kind: str) -> None:
    response = fault(None, request_, AwsError("UnknownOperationException", "what?"), "id")
    assert isinstance(response.body, bytes)
    if kind == "json":
        assert body_of(response) == {"__type": "UnknownOperationException", "message": "what?"}
    else:
        assert fromstring(response.body).tag == ("ErrorResponse" if kind == "query" else "Error")


def test_a_message_cannot_break_out_of_a_document_or_a_header() -> None:
    evil = "</Message><Code>Fine</Code>\x00\ud800"
    response = fault(route("sts", "AssumeRole", "query"), asked(), AwsError("ValidationError", evil), "id")
    assert elements_of(response)["Code"] == "ValidationError"
