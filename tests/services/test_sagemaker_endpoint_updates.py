"""Endpoints' updates, as boto3 sees them."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import until
from tests.services.hosting import Hosting, refusal, says


@contextmanager
def callers(hosting: Hosting, endpoint: str) -> Iterator[list[bytes]]:
    """Call an endpoint from four threads without a pause; every answer is noted, every refusal raised at the end."""
    done = threading.Event()
    answers: list[bytes] = []

    def call() -> None:
        while not done.is_set():
            answers.append(hosting.invoke(endpoint))

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call) for _ in range(4)]
        try:
            yield answers
        finally:
            done.set()
        for finished in calls:
            finished.result()


def test_an_update_replaces_the_model_without_a_failed_call(hosting: Hosting) -> None:
    name = hosting.endpoint(hosting.config(hosting.model(says("old")), InitialInstanceCount=2))
    before = hosting.tasks(name)
    new = hosting.config(hosting.model(says("new")), InitialInstanceCount=2)
    with callers(hosting, name) as answers:
        until(lambda: len(answers) > 20)
        hosting.sm.update_endpoint(EndpointName=name, EndpointConfigName=new)
        told = hosting.sm.describe_endpoint(EndpointName=name)
        assert told["EndpointStatus"] == "Updating"
        assert told["PendingDeploymentSummary"]["EndpointConfigName"] == new
        told = hosting.wait(name, "InService")
        start = len(answers)
        until(lambda: len(answers) > start + 20)
        world = hosting.world
        assert world is not None
        until(lambda: not any(world.compute.find(task) for task in before), "the old fleet to be gone")
    assert told["EndpointConfigName"] == new
    assert "PendingDeploymentSummary" not in told
    assert set(answers) == {b"old", b"new"}
    assert hosting.invoke(name) == b"new"


def test_an_update_that_fails_leaves_the_old_model_in_service(hosting: Hosting) -> None:
    old = hosting.config(hosting.model(says("old")))
    name = hosting.endpoint(old)
    bad = hosting.config(hosting.model(says("fine")), hosting.model("raise RuntimeError('no good')"))
    hosting.sm.update_endpoint(EndpointName=name, EndpointConfigName=bad)
    told = hosting.wait(name, "InService")
    assert told["EndpointConfigName"] == old
    assert "no good" in told["FailureReason"]
    assert hosting.invoke(name) == b"old"
    until(lambda: hosting.left(name) == hosting.tasks(name), "the new fleet to be gone")
    hosting.sm.update_endpoint(EndpointName=name, EndpointConfigName=hosting.config(hosting.model(says("better"))))
    assert "FailureReason" not in hosting.wait(name, "InService")
    assert hosting.invoke(name) == b"better"


def test_an_update_may_retain_what_was_set_on_the_endpoint(hosting: Hosting) -> None:
    name = hosting.endpoint(hosting.config(hosting.model()))
    hosting.sm.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": "A", "DesiredWeight": 7.0, "DesiredInstanceCount": 2}],
    )
    hosting.wait(name, "InService")
    hosting.sm.update_endpoint(
        EndpointName=name,
        EndpointConfigName=hosting.config(hosting.model()),
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredInstanceCount"}],
    )
    (variant,) = hosting.wait(name, "InService")["ProductionVariants"]
    assert (variant["CurrentWeight"], variant["CurrentInstanceCount"]) == (7.0, 1)


def test_weights_and_capacities_change_while_the_endpoint_serves(hosting: Hosting) -> None:
    name = hosting.endpoint(hosting.config(hosting.model(says("a")), hosting.model(says("b"))))
    change = [{"VariantName": "A", "DesiredWeight": 0.0}, {"VariantName": "B", "DesiredInstanceCount": 3}]
    hosting.sm.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=change)
    told = hosting.wait(name, "InService")
    counts = {variant["VariantName"]: variant["CurrentInstanceCount"] for variant in told["ProductionVariants"]}
    weights = {variant["VariantName"]: variant["CurrentWeight"] for variant in told["ProductionVariants"]}
    assert counts == {"A": 1, "B": 3}
    assert weights == {"A": 0.0, "B": 1.0}
    assert {hosting.invoke(name) for _ in range(20)} == {b"b"}
    assert len(hosting.tasks(name)) == 4
    for count in (1, 2):
        change = [{"VariantName": "B", "DesiredInstanceCount": count}]
        hosting.sm.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=change)
        hosting.wait(name, "InService")
        assert len(hosting.tasks(name)) == 1 + count
        assert hosting.invoke(name) == b"b"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ([{"VariantName": "Z", "DesiredWeight": 1.0}], 'Variant "Z" does not exist'),
        ([{"VariantName": "A", "DesiredWeight": 0.0}], "DesiredWeight greater than 0"),
        ([{"VariantName": "A", "DesiredInstanceCount": 0}], "DesiredInstanceCount"),
        ([{"VariantName": "A", "ServerlessUpdateConfig": {"MaxConcurrency": 2}}], "ServerlessUpdateConfig"),
    ],
)
def test_changes_that_make_no_sense_are_refused(hosting: Hosting, change: list[dict[str, Any]], text: str) -> None:
    name = hosting.serving()
    with pytest.raises(ClientError) as error:
        hosting.sm.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=change)
    code, message = refusal(error)
    assert code == "ValidationException"
    assert text in message
    assert hosting.sm.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"


def test_deployment_guardrails_are_refused_by_name_and_the_default_is_taken(hosting: Hosting) -> None:
    config = hosting.config(hosting.model())
    at_once = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    default = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": at_once}}
    canary = {**at_once, "Type": "CANARY", "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10}}
    name = hosting.endpoint(config)
    for refused, text in (
        ({"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": canary}}, "CANARY"),
        ({**default, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}]}}, "AutoRollbackConfiguration"),
    ):
        with pytest.raises(ClientError) as error:
            hosting.sm.update_endpoint(EndpointName=name, EndpointConfigName=config, DeploymentConfig=refused)
        assert text in refusal(error)[1]
    hosting.sm.update_endpoint(EndpointName=name, EndpointConfigName=config, DeploymentConfig=default)
    assert hosting.wait(name, "InService")["LastDeploymentConfig"] == default
