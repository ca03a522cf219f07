"""InvokeEndpoint, as boto3 and as a plain HTTP client see it."""

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import until
from tests.services.hosting import Hosting, refusal, says

HEADERS = """
import json
def handle(headers, body):
    told = {"content-type": "application/json", "X-Amzn-SageMaker-Custom-Attributes": "answer=1", "X-Own": "hidden"}
    return 200, told, json.dumps({name.lower(): value for name, value in headers.items()}).encode()
"""
STATUS = "def handle(headers, body): return int(body), {'content-type': 'text/plain'}, b'because of ' + body\n"
BIG = "def handle(headers, body): return 200, {}, b'x' * int(body)\n"
SLOW = """
import threading
OPEN = threading.Event()
def handle(headers, body):
    if body == b"wait":
        OPEN.wait(60)
    else:
        OPEN.set()
    return 200, {}, b"done"
"""
LIMIT = 6 * 2**20


def test_headers_and_body_go_there_and_back(hosting: Hosting) -> None:
    name = hosting.serving(HEADERS)
    answer = hosting.runtime.invoke_endpoint(
        EndpointName=name,
        Body=b"1,2,3",
        ContentType="text/csv",
        Accept="application/json",
        CustomAttributes="trace=7",
        InferenceId="mine",
    )
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "A"
    assert answer["CustomAttributes"] == "answer=1"
    assert "x-own" not in answer["ResponseMetadata"]["HTTPHeaders"]
    seen = answer["Body"].read().decode()
    for header, value in {
        "content-type": "text/csv",
        "accept": "application/json",
        "content-length": "5",
        "x-amzn-sagemaker-custom-attributes": "trace=7",
        "x-amzn-sagemaker-inference-id": "mine",
    }.items():
        assert f'"{header}": "{value}"' in seen
    assert "authorization" not in seen.lower()


@pytest.mark.parametrize("size", [0, 1, 100_000, LIMIT])
def test_bodies_up_to_six_mebibytes_pass(hosting: Hosting, echoing: str, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    assert hosting.invoke(echoing, body[:size]) == body[:size]


@pytest.fixture(scope="module")
def echoing(hosting: Hosting) -> str:
    return hosting.serving()


def test_larger_bodies_are_refused(hosting: Hosting, echoing: str) -> None:
    with pytest.raises(ClientError) as error:
        hosting.invoke(echoing, b"x" * (LIMIT + 1))
    code, message = refusal(error)
    assert code == "ValidationError"
    assert str(LIMIT) in message
    assert hosting.invoke(echoing, b"next") == b"next"


def test_an_answer_that_is_too_large_is_an_error_of_the_model(hosting: Hosting) -> None:
    name = hosting.serving(BIG)
    assert len(hosting.invoke(name, str(LIMIT).encode())) == LIMIT
    with pytest.raises(ClientError) as error:
        hosting.invoke(name, str(LIMIT + 1).encode())
    assert refusal(error)[0] == "ModelError"


@pytest.mark.parametrize(("status", "kind"), [(400, "client"), (415, "client"), (500, "server"), (503, "server")])
def test_what_the_model_refuses_comes_back_as_awss_model_error(hosting: Hosting, status: int, kind: str) -> None:
    name = hosting.serving(STATUS)
    with pytest.raises(ClientError) as error:
        hosting.invoke(name, str(status).encode())
    told: Any = error.value.response
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert told["Error"]["Code"] == "ModelError"
    assert told["OriginalStatusCode"] == status
    assert told["OriginalMessage"] == f"because of {status}"
    assert told["LogStreamArn"] == f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/{name}"
    assert told["Error"]["Message"] == (
        f'Received {kind} error ({status}) from primary with message "because of {status}". See'
        " https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logEventViewer:group="
        f"/aws/sagemaker/Endpoints/{name} in account 123456789012 for more information."
    )


def test_a_container_that_breaks_off_is_a_model_error(hosting: Hosting) -> None:
    name = hosting.serving("import os\ndef handle(headers, body): os._exit(1)\n")
    with pytest.raises(ClientError) as error:
        hosting.invoke(name)
    told: Any = error.value.response
    assert (told["Error"]["Code"], told["OriginalStatusCode"]) == ("ModelError", 0)
    assert "Received server error (0) from primary" in told["Error"]["Message"]


def test_a_container_that_takes_too_long_is_a_model_error(hosting: Hosting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagebrush.services.sagemaker_runtime.invoke.TIME_LIMIT", 0.2)
    name = hosting.serving(SLOW)
    with pytest.raises(ClientError) as error:
        hosting.invoke(name, b"wait")
    told: Any = error.value.response
    assert (told["Error"]["Code"], told["OriginalStatusCode"]) == ("ModelError", 0)
    assert "Your invocation timed out while waiting for a response from container primary" in told["OriginalMessage"]
    assert hosting.invoke(name, b"go") == b"done"


def test_an_endpoint_that_does_not_exist_is_not_found(hosting: Hosting) -> None:
    with pytest.raises(ClientError) as error:
        hosting.invoke("nobody")
    assert refusal(error) == ("ValidationError", "Endpoint nobody of account 123456789012 not found.")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("TargetModel", "a.tar.gz"),
        ("TargetContainerHostname", "first"),
        ("EnableExplanations", "`true`"),
        ("InferenceComponentName", "part"),
        ("SessionId", "NEW_SESSION"),
    ],
)
def test_what_the_endpoint_does_not_offer_is_refused_by_name(
    hosting: Hosting, echoing: str, member: str, value: str
) -> None:
    with pytest.raises(ClientError) as error:
        hosting.runtime.invoke_endpoint(EndpointName=echoing, Body=b"x", **{member: value})
    code, message = refusal(error)
    assert code == "ValidationError"
    assert member in message


def test_variants_share_the_calls_by_weight_and_can_be_asked_for(hosting: Hosting) -> None:
    config = hosting.config(hosting.model(says("a")), hosting.model(says("b")))
    name = hosting.endpoint(config)
    weights = [{"VariantName": "A", "DesiredWeight": 1.0}, {"VariantName": "B", "DesiredWeight": 3.0}]
    hosting.sm.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=weights)
    hosting.wait(name, "InService")
    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(lambda _: hosting.invoke(name), range(600)))
    assert 0.65 < answers[b"b"] / 600 < 0.85  # 0.75 expected, 0.018 its standard deviation
    answer = hosting.runtime.invoke_endpoint(EndpointName=name, Body=b"", TargetVariant="A")
    assert (answer["InvokedProductionVariant"], answer["Body"].read()) == ("A", b"a")
    with pytest.raises(ClientError) as error:
        hosting.invoke(name, TargetVariant="Z")
    assert refusal(error)[0] == "ValidationError"
    assert "Variant Z not found for Request" in refusal(error)[1]


GATE = """
import os
os.mkfifo("/opt/ml/gate")
ME = os.urandom(4).hex().encode()
def handle(headers, body):
    if body == b"wait":
        open("/opt/ml/gate").close()
    return 200, {}, ME
"""


def test_the_instance_with_the_least_work_is_asked(hosting: Hosting) -> None:
    """While one instance is busy every call goes to the other one."""
    name = hosting.endpoint(hosting.config(hosting.model(GATE), InitialInstanceCount=2))
    assert hosting.world is not None
    counts = hosting.world.routes
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(hosting.invoke, name, b"wait")
        busy: str = until(lambda: next(filter(counts.busy, hosting.tasks(name)), None), "the call to be under way")
        others = {hosting.invoke(name) for _ in range(10)}
        assert not waiting.done()
        (hosting.data / "tasks" / busy / "root" / "gate").open("w").close()
        assert len(others) == 1
        assert waiting.result() not in others
    assert {hosting.invoke(name) for _ in range(40)} == {waiting.result(), *others}, "at rest, both are asked"


def test_many_callers_at_once_all_get_their_answers(hosting: Hosting, echoing: str) -> None:
    bodies = [b"%d" % number * 50 for number in range(400)]
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(lambda body: hosting.invoke(echoing, body), bodies)) == bodies


def test_operations_that_are_not_there_say_so(hosting: Hosting, echoing: str) -> None:
    with pytest.raises(ClientError) as error:
        hosting.runtime.invoke_endpoint_async(EndpointName=echoing, InputLocation="s3://models/x")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert refusal(error)[0] == "NotImplemented"


def test_calls_are_counted_in_cloudwatch(hosting: Hosting) -> None:
    name = hosting.serving(STATUS)
    for _ in range(3):
        hosting.invoke(name, b"200")
    for status in (b"400", b"500", b"500"):
        with pytest.raises(ClientError):
            hosting.invoke(name, status)
    watch = hosting.client("cloudwatch")

    def total(metric: str, statistic: str = "Sum") -> float:
        now = time.time()
        points = watch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": "A"}],
            StartTime=now - 600,
            EndTime=now + 60,
            Period=3600,
            Statistics=[statistic],
        )["Datapoints"]
        return float(sum(point[statistic] for point in points))

    until(lambda: total("Invocations") == 6, "six invocations")
    assert total("Invocation4XXErrors") == 1
    assert total("Invocation5XXErrors") == 2
    assert total("InvocationModelErrors") == 3
    assert total("ModelLatency", "SampleCount") == 6
    assert 10 < total("ModelLatency", "Maximum") < 5e6
    assert 0 < total("OverheadLatency", "Maximum") < 5e6


def test_the_console_address_names_the_log_group(hosting: Hosting) -> None:
    name = hosting.serving(STATUS)
    with pytest.raises(ClientError) as error:
        hosting.invoke(name, b"500")
    match = re.search(r"group=(\S+) in account", refusal(error)[1])
    assert match
    group = match[1]
    until(lambda: hosting.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"], "the log group")
