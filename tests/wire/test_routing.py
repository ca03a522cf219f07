"""Which operation a request is for: every way in which clients say so."""

import pytest
from tests.wire.requests import ROUTER, found, request

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.http import Request
from sagebrush.kernel.wire.models import every_head, head, is_form, protocol_of
from sagebrush.kernel.wire.route import Router

FORM = "application/x-www-form-urlencoded; charset=utf-8"


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (request(x_amz_target="SageMaker.CreateModel"), ("sagemaker", "CreateModel", "json")),
        (request(x_amz_target="Logs_20140328.GetLogEvents"), ("logs", "GetLogEvents", "json")),
        (request(x_amz_target="GraniteServiceVersion20100801.PutMetricData"), ("cloudwatch", "PutMetricData", "json")),
        (
            request(x_amz_target="AnyScaleFrontendService.PutScalingPolicy"),
            ("application-autoscaling", "PutScalingPolicy", "json"),
        ),
    ],
)
def test_a_target_names_the_operation(asked: Request, wanted: tuple[str, str, str]) -> None:
    assert found(asked) == wanted


@pytest.mark.parametrize(
    ("body", "scope", "wanted"),
    [
        (b"Action=GetCallerIdentity&Version=2011-06-15", "sts", ("sts", "GetCallerIdentity", "query")),
        (b"Action=GetRole&Version=2010-05-08&RoleName=r", "iam", ("iam", "GetRole", "query")),
        (b"Action=ListMetrics&Version=2010-08-01", "monitoring", ("cloudwatch", "ListMetrics", "query")),
        (b"Action=DescribeImages&Version=2016-11-15", "ec2", ("ec2", "DescribeImages", "ec2")),
        (b"Action=SendEmail&Version=2010-12-01", "ses", ("ses", "SendEmail", "query")),
        (
            b"Action=CreateApplication&Version=2010-12-01",
            "elasticbeanstalk",
            ("elasticbeanstalk", "CreateApplication", "query"),
        ),
        (b"Action=GetCallerIdentity", "sts", ("sts", "GetCallerIdentity", "query")),
        (b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15", "", ("sts", "AssumeRoleWithWebIdentity", "query")),
    ],
)
def test_a_form_names_action_and_version(body: bytes, scope: str, wanted: tuple[str, str, str]) -> None:
    assert found(request(body=body, scope=scope, content_type=FORM)) == wanted


def test_an_action_may_stand_in_the_url_as_in_a_presigned_call() -> None:
    asked = request("GET", "/?Action=GetCallerIdentity&Version=2011-06-15")
    assert found(asked) == ("sts", "GetCallerIdentity", "query")


def test_a_form_that_is_somebodys_payload_is_no_query_call() -> None:
    invocation = request("POST", "/endpoints/e/invocations", b"a=1&Action=x", "sagemaker", content_type=FORM)
    upload = request("PUT", "/b/k", b"a=1", "s3", content_type=FORM)
    assert [is_form(each) for each in (invocation, upload)] == [False, False]
    assert found(invocation)[:2] == ("sagemaker-runtime", "InvokeEndpoint")
    assert found(upload)[:2] == ("s3", "PutObject")
    assert is_form(request(body=b"Action=GetUser&Version=2010-05-08", content_type=FORM))


@pytest.mark.parametrize(
    ("method", "url", "scope", "wanted"),
    [
        ("POST", "/endpoints/my-end/invocations", "sagemaker", ("sagemaker-runtime", "InvokeEndpoint")),
        ("POST", "/endpoints/e/async-invocations", "sagemaker", ("sagemaker-runtime", "InvokeEndpointAsync")),
        ("PUT", "/BatchPutMetrics", "sagemaker", ("sagemaker-metrics", "BatchPutMetrics")),
        ("PUT", "/FeatureGroup/fg", "sagemaker", ("sagemaker-featurestore-runtime", "PutRecord")),
        ("POST", "/human-loops/stop", "sagemaker", ("sagemaker-a2i-runtime", "StopHumanLoop")),
        ("GET", "/schedules/x", "scheduler", ("scheduler", "GetSchedule")),
        ("PUT", "/schedules/x", "databrew", ("databrew", "UpdateSchedule")),
        ("POST", "/2015-03-31/functions/f/invocations", "lambda", ("lambda", "Invoke")),
        ("POST", "/agents/AAAAAAAAAA/", "bedrock", ("bedrock-agent", "PrepareAgent")),
        ("GET", "/v20180820/jobs/j", "s3", ("s3", "GetObject")),
    ],
)
def test_the_signatures_scope_and_the_path_name_a_rest_operation(
    method: str, url: str, scope: str, wanted: tuple[str, str]
) -> None:
    assert found(request(method, url, scope=scope))[:2] == wanted


def test_paths_that_bedrocks_services_share_are_told_apart() -> None:
    inline = request("POST", "/agents/AAAAAAAAAA/", scope="bedrock", content_length="25")
    assert found(inline)[:2] == ("bedrock-agent-runtime", "InvokeInlineAgent")
    session = "/tags/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Asession%2Fx"
    assert found(request("GET", session, scope="bedrock"))[0] == "bedrock-agent-runtime"
    agent = "/tags/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aagent%2Fx"
    assert found(request("GET", agent, scope="bedrock"))[0] == "bedrock-agent"


def test_an_account_header_makes_it_s3_control() -> None:
    asked = request("GET", "/v20180820/jobs/j", scope="s3", x_amz_account_id="123456789012")
    assert found(asked)[:2] == ("s3control", "DescribeJob")


@pytest.mark.parametrize(
    ("method", "host", "url", "wanted"),
    [
        (
            "POST",
            "runtime.sagemaker.us-east-1.amazonaws.com",
            "/endpoints/e/invocations",
            ("sagemaker-runtime", "InvokeEndpoint"),
        ),
        ("GET", "lambda.eu-central-1.amazonaws.com", "/2015-03-31/functions/", ("lambda", "ListFunctions")),
        ("GET", "s3.amazonaws.com", "/", ("s3", "ListBuckets")),
        ("GET", "s3.us-east-1.amazonaws.com", "/b", ("s3", "ListObjects")),
        ("GET", "my.bucket.s3.us-east-1.amazonaws.com", "/", ("s3", "ListObjects")),
        ("GET", "bucket.s3.amazonaws.com", "/k", ("s3", "GetObject")),
    ],
)
def test_an_unsigned_request_goes_by_its_host(method: str, host: str, url: str, wanted: tuple[str, str]) -> None:
    assert found(request(method, url, host=host))[:2] == wanted


@pytest.mark.parametrize(
    ("asked", "code", "status"),
    [
        (request(x_amz_target="SageMaker.FlyToTheMoon"), "UnknownOperationException", 400),
        (request(x_amz_target="Nobody.Knows"), "UnknownOperationException", 400),
        (request(x_amz_target="no dots at all"), "UnknownOperationException", 400),
        (request(body=b"Action=Fly&Version=2011-06-15", content_type=FORM), "InvalidAction", 400),
        (request(body=b"Action=Fly&Version=1999-01-01", content_type=FORM), "InvalidAction", 400),
        (request("POST", "/endpoints/e/nothing-here", scope="sagemaker"), "UnknownOperationException", 404),
        (request("PATCH", "/b/k"), "MethodNotAllowed", 405),
        (request("GET", "/b/%ff"), "InvalidURI", 400),
    ],
)
def test_what_no_operation_answers_is_refused_as_aws_refuses_it(asked: Request, code: str, status: int) -> None:
    with pytest.raises(AwsError) as refused:
        ROUTER.match(asked)
    assert (refused.value.code, refused.value.status) == (code, status)


def test_operations_nobody_registered_are_found_all_the_same() -> None:
    assert found(request(x_amz_target="AWSGlue.GetTable"), Router([])) == ("glue", "GetTable", "json")


def test_the_index_knows_every_service_and_its_protocols() -> None:
    heads = {each.name: each for each in every_head()}
    assert len(heads) > 400
    assert heads["cloudwatch"].protocol == "json"
    assert heads["sts"].protocol == "query"
    assert heads["s3"].protocol == "rest-xml"
    assert heads["sagemaker-runtime"].signing_name == "sagemaker"
    assert heads["sagemaker-runtime"].endpoint_prefix == "runtime.sagemaker"


def test_a_client_may_speak_an_older_protocol_than_botocore() -> None:
    assert protocol_of(head("cloudwatch"), request(content_type=FORM)) == "query"
    assert protocol_of(head("cloudwatch"), request(content_type="application/x-amz-json-1.0")) == "json"
