"""Corners that a random request seldom finds: each is answered as AWS would, through a real client."""

import base64
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.conftest import Platform
from tests.scenarios.bad_known import IMAGE

BUCKET = "bad-corners"
ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
DIGITS = "9" * 5000


@pytest.fixture(scope="module")
def furnished(platform: Platform) -> Platform:
    """Three of everything that is listed in pages, and a job that can be searched for."""
    s3, sm, logs, iam = (platform.client(name) for name in ("s3", "sagemaker", "logs", "iam"))
    for bucket in (BUCKET, f"{BUCKET}-2"):
        s3.create_bucket(Bucket=bucket)
    algorithm = {**_IMAGE, "ContainerEntrypoint": ["true"]}
    sm.create_training_job(**{**_JOB, "TrainingJobName": "corner-found", "AlgorithmSpecification": algorithm})
    for name in ("corner-a", "corner-b", "corner-c"):
        s3.put_object(Bucket=BUCKET, Key=name, Body=b"0123456789")
        sm.create_model(ModelName=name, PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
        logs.create_log_group(logGroupName=name)
        logs.create_log_stream(logGroupName="corner-a", logStreamName=name)
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=_TRUST)
    return platform


_TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}'


def refused(platform: Platform, service: str, method: str, **params: Any) -> tuple[str, str]:
    """Return the code and the message with which a call is refused, whatever botocore thinks of its parameters."""
    client = platform.client(service, config=Config(parameter_validation=False))
    with pytest.raises(ClientError) as error:
        getattr(client, method)(**params)
    told = error.value.response
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 400
    return told["Error"]["Code"], told["Error"]["Message"]


_JOB: dict[str, Any] = {
    "TrainingJobName": "corner",
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://x/y"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}
_IMAGE = {"TrainingImage": IMAGE, "TrainingInputMode": "File"}


def _search(**test: str) -> dict[str, Any]:
    return {"Resource": "TrainingJob", "SearchExpression": {"Filters": [test]}}


CORNERS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "a job without an algorithm": ("sagemaker", "create_training_job", _JOB, "ValidationException"),
    "a job with an output that is not in S3": (
        "sagemaker",
        "create_training_job",
        {**_JOB, "AlgorithmSpecification": _IMAGE, "OutputDataConfig": {"S3OutputPath": "https://x/y"}},
        "ValidationException",
    ),
    "a search for a day that no month has": (
        "sagemaker",
        "search",
        _search(Name="CreationTime", Operator="GreaterThan", Value="2026-02-31T00:00:00"),
        "ValidationException",
    ),
    "a search token of thousands of digits": (
        "sagemaker",
        "search",
        {"Resource": "TrainingJob", "NextToken": DIGITS},
        "ValidationException",
    ),
    "a filter that repeats without end": (
        "logs",
        "filter_log_events",
        {"logGroupName": "corner-a", "filterPattern": "%a{99999999999}%"},
        "InvalidParameterException",
    ),
    "a length in words": (
        "s3",
        "list_objects_v2",
        {"Bucket": BUCKET, "MaxKeys": "many"},
        "InvalidArgument",
    ),
    "a copied range of thousands of digits": (
        "s3",
        "upload_part_copy",
        {
            "Bucket": BUCKET, "Key": "x", "UploadId": "{upload}", "PartNumber": 1, "CopySource": f"{BUCKET}/corner-a",
            "CopySourceRange": f"bytes=0-{DIGITS}",
        },
        "InvalidArgument",
    ),
}  # fmt: skip


@pytest.mark.parametrize("corner", CORNERS)
def test_a_corner_is_refused_with_awss_error(furnished: Platform, corner: str) -> None:
    service, method, params, code = CORNERS[corner]
    if "UploadId" in params:
        made = furnished.client("s3").create_multipart_upload(Bucket=BUCKET, Key="x")
        params = {**params, "UploadId": made["UploadId"]}
    assert refused(furnished, service, method, **params)[0] == code


@pytest.mark.parametrize("regex", ["(a{99999999999})", "(", "x", "(?P<a>x)(?P<a>y)", "(?<=a+)(b)", "[z-a](x)"])
def test_a_metric_definition_that_python_cannot_read_is_refused_by_name(furnished: Platform, regex: str) -> None:
    algorithm = {**_IMAGE, "MetricDefinitions": [{"Name": "accuracy", "Regex": regex}]}
    job = {**_JOB, "AlgorithmSpecification": algorithm}
    code, message = refused(furnished, "sagemaker", "create_training_job", **job)
    assert code == "ValidationException"
    assert "accuracy" in message or "egex" in message


def test_a_search_within_what_is_no_list_finds_nothing(furnished: Platform) -> None:
    for name in ("CreationTime", "TrainingJobName", "ResourceConfig"):
        nested = {"NestedPropertyName": name, "Filters": [{"Name": f"{name}.x", "Operator": "Equals", "Value": "y"}]}
        found = furnished.client("sagemaker").search(
            Resource="TrainingJob", SearchExpression={"NestedFilters": [nested]}
        )
        assert found["Results"] == []


@pytest.mark.parametrize(
    "asked", [f"bytes=0-{DIGITS}", f"bytes={DIGITS}-", f"bytes=-{DIGITS}", "bytes=\u00b2-", "pages=1-2"]
)
def test_a_range_beyond_all_reason_is_answered(furnished: Platform, asked: str) -> None:
    """S3 answers what is no range with the whole object."""
    client = furnished.client("s3")
    client.meta.events.register_first(
        "before-sign.s3.GetObject", lambda request, **_: request.headers.add_header("Range", asked), unique_id="range"
    )
    try:
        assert client.get_object(Bucket=BUCKET, Key="corner-a")["Body"].read() == b"0123456789"
    finally:
        client.meta.events.unregister("before-sign.s3.GetObject", unique_id="range")


# ---------------------------------------------------------------------- page tokens

_PAGED: dict[str, tuple[str, str, dict[str, Any], str, str]] = {
    "models": ("sagemaker", "list_models", {"MaxResults": 1, "NameContains": "corner"}, "NextToken", "NextToken"),
    "groups": ("logs", "describe_log_groups", {"limit": 1}, "nextToken", "nextToken"),
    "streams": ("logs", "describe_log_streams", {"logGroupName": "corner-a", "limit": 1}, "nextToken", "nextToken"),
    "roles": ("iam", "list_roles", {"MaxItems": 1}, "Marker", "Marker"),
    "keys": ("s3", "list_objects_v2", {"Bucket": BUCKET, "MaxKeys": 1}, "NextContinuationToken", "ContinuationToken"),
    "buckets": ("s3", "list_buckets", {"MaxBuckets": 1}, "ContinuationToken", "ContinuationToken"),
}  # fmt: skip


def _edited(token: str, edit: Callable[[Any], Any]) -> str:
    """Return a token whose JSON, where it has any, is changed and packed as before."""
    held = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return base64.urlsafe_b64encode(orjson.dumps(edit(held))).decode().rstrip("=")


_EDITS: list[Callable[[Any], Any]] = [
    lambda held: [*held[:-1], 2**63],
    lambda held: [*held[:-1], [held[-1]]],
    lambda held: [*held[:-1], {"a": 1}],
    lambda held: [held[0], None, *held[2:]],
    lambda held: [held[0], [1, 2, 3, 4], *held[2:]],
    lambda held: held[:1],
    lambda held: held * 2,
    lambda _: {},
    lambda _: "x",
]


@pytest.mark.parametrize("kind", _PAGED)
def test_a_page_token_that_was_changed_is_refused(furnished: Platform, kind: str) -> None:
    service, method, params, given, taken = _PAGED[kind]
    token = getattr(furnished.client(service), method)(**params)[given]
    wrong = ["x", "é", "=", "====", base64.b64encode(b"\xff").decode()]
    if service != "s3":  # its tokens are names, any of which is a place in the listing; an empty one is none
        wrong += ["", token[:-3], "A" + token, "A" * 3000, *(_edited(token, edit) for edit in _EDITS)]
    for each in wrong:
        assert refused(furnished, service, method, **params, **{taken: each})[0], each
    getattr(furnished.client(service), method)(**params, **{taken: token})
