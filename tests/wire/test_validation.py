"""Bad parameters are refused in AWS's words, and good ones are not."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from botocore.model import OperationModel, ServiceModel

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.models import service_model
from sagebrush.kernel.wire.patterns import matcher
from sagebrush.kernel.wire.validate import validate


def operation(service: str, name: str) -> OperationModel:
    return service_model(service).operation_model(name)


def refusal(of: OperationModel, params: dict[str, Any]) -> AwsError:
    with pytest.raises(AwsError) as refused:
        validate(of, params)
    return refused.value


MODEL = {"ModelName": "m", "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r"}
LONG = "a" * 64
SUBNET = (
    "Member must have length less than or equal to 32, Member must satisfy regular expression pattern: [-0-9a-zA-Z]+"
)
NOT_EMPTY = "Member must have length greater than or equal to 1"
ORDER = "Member must satisfy enum value set: [Ascending, Descending]"

Texts = list[tuple[str, str, str]]
REFUSALS: list[tuple[str, dict[str, Any], Texts]] = [
    ("CreateModel", {}, [("null", "modelName", "Member must not be null")]),
    (
        "CreateModel",
        {**MODEL, "ModelName": "-bad-"},
        [
            (
                "'-bad-'",
                "modelName",
                r"Member must satisfy regular expression pattern: [a-zA-Z0-9]([\-a-zA-Z0-9]*[a-zA-Z0-9])?",
            )
        ],
    ),
    (
        "CreateModel",
        {**MODEL, "ModelName": LONG},
        [(f"'{LONG}'", "modelName", "Member must have length less than or equal to 63")],
    ),
    (
        "CreateModel",
        {**MODEL, "Containers": [{"Image": "ok"}, {"Image": "ok", "Mode": "Both"}]},
        [("'Both'", "containers.2.member.mode", "Member must satisfy enum value set: [SingleModel, MultiModel]")],
    ),
    ("CreateModel", {**MODEL, "Tags": [{"Key": "", "Value": "v"}]}, [("''", "tags.1.member.key", NOT_EMPTY)]),
    (
        "CreateModel",
        {**MODEL, "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["_"]}},
        [("'[_]'", "vpcConfig.subnets", f"Member must satisfy constraint: [{SUBNET}]")],
    ),
    (
        "CreateModel",
        {**MODEL, "VpcConfig": {"SecurityGroupIds": [], "Subnets": ["s"]}},
        [("'[]'", "vpcConfig.securityGroupIds", NOT_EMPTY)],
    ),
    ("ListModels", {"MaxResults": 101}, [("'101'", "maxResults", "Member must have value less than or equal to 100")]),
    (
        "ListModels",
        {"MaxResults": 0, "SortOrder": "Sideways"},
        [
            ("'0'", "maxResults", "Member must have value greater than or equal to 1"),
            ("'Sideways'", "sortOrder", ORDER),
        ],
    ),
    ("CreateModel", {**MODEL, "Tags": [None]}, [("null", "tags.1.member", "Member must not be null")]),
]


@pytest.mark.parametrize(("name", "params", "texts"), REFUSALS)
def test_the_words_of_a_refusal(name: str, params: dict[str, Any], texts: Texts) -> None:
    refused = refusal(operation("sagemaker", name), params)
    assert (refused.code, refused.status) == ("ValidationException", 400)
    said = "; ".join(f"Value {value} at '{path}' failed to satisfy constraint: {rule}" for value, path, rule in texts)
    assert refused.message == f"{len(texts)} validation error{'s' if len(texts) > 1 else ''} detected: {said}"


def test_keys_and_values_of_a_map_are_checked() -> None:
    container = {"Image": "i", "Environment": {"1bad": "v"}}
    refused = refusal(operation("sagemaker", "CreateModel"), {**MODEL, "PrimaryContainer": container})
    assert "Value '{1bad=v}' at 'primaryContainer.environment'" in refused.message
    assert "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, " in refused.message
    container = {"Image": "i", "Environment": {"GOOD": "v" * 16385}}
    refused = refusal(operation("sagemaker", "CreateModel"), {**MODEL, "PrimaryContainer": container})
    assert "Map value must satisfy constraint: [Member must have length less than or equal to" in refused.message


@pytest.mark.parametrize(
    ("service", "name", "params", "code"),
    [
        ("iam", "GetRole", {"RoleName": ""}, "ValidationError"),
        ("sts", "AssumeRole", {"RoleArn": "short", "RoleSessionName": "s"}, "ValidationError"),
        ("logs", "CreateLogGroup", {"logGroupName": "bad name?"}, "InvalidParameterException"),
        ("cloudwatch", "PutMetricData", {}, "ValidationError"),
        ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "_"}, "ValidationError"),
        (
            "s3",
            "PutBucketVersioning",
            {"Bucket": "b", "VersioningConfiguration": {"Status": "Perhaps"}},
            "MalformedXML",
        ),
        ("s3", "PutObject", {"Bucket": "b", "Key": "k", "ACL": "everyone"}, "InvalidArgument"),
        ("lambda", "GetFunction", {"FunctionName": ""}, "ValidationException"),
    ],
)
def test_each_service_has_its_own_code(service: str, name: str, params: dict[str, Any], code: str) -> None:
    assert refusal(operation(service, name), params).code == code


def test_a_secret_is_never_repeated() -> None:
    params = {"UserName": "u", "Password": "hunter2" * 100}
    refused = refusal(operation("iam", "CreateLoginProfile"), params)
    assert (
        "Value at 'password' failed to satisfy constraint: Member must have length less than or equal to 128"
        in refused.message
    )
    assert "hunter2" not in str(refused)


def test_what_holds_a_secret_is_not_repeated_either() -> None:
    shapes = {
        "In": {"type": "structure", "members": {"Users": {"shape": "Users"}}},
        "Users": {"type": "list", "member": {"shape": "User"}, "max": 1},
        "User": {"type": "structure", "members": {"Password": {"shape": "Secret"}}},
        "Secret": {"type": "string", "sensitive": True},
    }
    refused = refusal(made(shapes), {"Users": [{"Password": "hunter2"}, {"Password": "hunter3"}]})
    assert "hunter" not in refused.message
    assert (
        "Value at 'users' failed to satisfy constraint: Member must have length less than or equal to 1"
        in refused.message
    )


def test_a_union_has_one_member_and_no_more() -> None:
    shapes = {
        "In": {"type": "structure", "members": {"Either": {"shape": "Either"}}},
        "Either": {"type": "structure", "union": True, "members": {"A": {"shape": "Text"}, "B": {"shape": "Text"}}},
        "Text": {"type": "string"},
    }
    validate(made(shapes), {"Either": {"A": "x"}})
    for wrong in ({}, {"A": "x", "B": "y"}):
        assert (
            "'either' failed to satisfy constraint: Member must have exactly one"
            in refusal(made(shapes), {"Either": wrong}).message
        )


def test_members_that_the_model_does_not_know_are_nobodys_business() -> None:
    validate(operation("sagemaker", "ListModels"), {"FromTheFuture": object(), "MaxResults": 5, "NameContains": None})


def test_a_body_that_streams_is_not_measured() -> None:
    async def stream() -> Any:
        yield b""

    validate(operation("sagemaker-runtime", "InvokeEndpoint"), {"EndpointName": "e", "Body": stream()})


def test_a_long_value_is_cut_in_the_message() -> None:
    refused = refusal(operation("sagemaker", "CreateModel"), {**MODEL, "ModelName": "a" * 1_000_000})
    assert len(refused.message) < 2000


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"[a-z]+", ["abc"], ["abc ", "Abc", "abc\n", ""]),
        (r"^[a-z]+$", ["abc"], ["abc\n", "1abc"]),
        (r"^[a-z]+", ["abc", "abc!"], ["1abc"]),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", ["Ünï 漢 9", ""], ["a\tb", "a;b"]),
        (r"[\p{L}||\p{M}||\p{N}]+", ["a9é"], ["a-b", ""]),
        (r"\P{C}*", ["abc é"], ["a\x00b", "a\nb"]),
        (r"[^\p{C}]+", ["abc"], ["a\x07"]),
        (r"\p{ASCII}*", ["abc"], ["é"]),
        (r"(?s).{0,3}", ["a\nb", ""], ["abcd"]),
        (r"[\w-/]+", ["a-/"], ["a b"]),
        (r"\d{12}", ["123456789012"], ["١٢٣٤٥٦٧٨٩٠١٢"]),
        (r"\A\S+\z", ["abc"], ["a b", "abc\n"]),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", ["a😀\t"], ["a\n"]),
        (r"[a-z\x{41}]+", ["aA"], ["B"]),
    ],
)
def test_patterns_written_for_java_mean_the_same_here(pattern: str, good: list[str], bad: list[str]) -> None:
    compiled = matcher(pattern)
    assert compiled is not None
    assert [text for text in good if not compiled.search(text)] == []
    assert [text for text in bad if compiled.search(text)] == []


def test_a_pattern_that_python_cannot_say_refuses_nothing() -> None:
    assert matcher(r"[a-z&&[^aeiou]]+") is None
    shapes = {
        "In": {"type": "structure", "members": {"Name": {"shape": "Name"}}},
        "Name": {"type": "string", "pattern": r"[a-z&&[^aeiou]]+"},
    }
    validate(made(shapes), {"Name": "aeiou"})


def test_a_pattern_that_would_take_for_ever_does_not() -> None:
    """The model's own pattern for this name takes years to refuse sixty letters and a mark."""
    entry = {"Name": "a" * 60 + "!", "Weight": 1}
    params = {"Name": "n", "ClusterArn": "arn:aws:sagemaker:us-east-1:123456789012:cluster/abcdefghijkl"}
    of = operation("sagemaker", "CreateClusterSchedulerConfig")
    refused = refusal(of, {**params, "SchedulerConfig": {"PriorityClasses": [entry]}})
    assert "at 'schedulerConfig.priorityClasses.1.member.name' failed to satisfy constraint" in refused.message
    validate(of, {**params, "SchedulerConfig": {"PriorityClasses": [{"Name": "a-b-c", "Weight": 1}]}})


def made(shapes: dict[str, Any]) -> OperationModel:
    """Return an operation of a service made for the test; its input is the shape `In`."""
    description = {
        "metadata": {"protocol": "json", "apiVersion": "2020-01-01", "endpointPrefix": "made"},
        "operations": {"Do": {"name": "Do", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "In"}}},
        "shapes": json.loads(json.dumps(shapes)),
    }
    return ServiceModel(description, "made").operation_model("Do")


def test_threads_that_meet_an_operation_first_at_once_all_get_it_whole() -> None:
    """The platform validates on a pool of threads, and a shape may still be in the making on another one."""
    for name in ("CreateHyperParameterTuningJob", "CreateAutoMLJobV2", "CreateDomain", "CreateInferenceExperiment"):
        of = operation("sagemaker", name)
        start = Barrier(8)

        def check(of: OperationModel = of, start: Barrier = start) -> str:
            start.wait()
            return refusal(of, {}).message

        with ThreadPoolExecutor(8) as pool:
            said = {each.result() for each in [pool.submit(check) for _ in range(8)]}
        assert len(said) == 1
