"""One suite over every registered kind: what Create, Describe, List and Delete have in common, seen through boto3."""

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from tests.conftest import Platform, until

from sagebrush.kernel.grammar.resource import Resource
from sagebrush.services.catalogue import all_services
from sagebrush.services.sagemaker import service

NOWHERE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/nowhere:1"
"""An image that there is not: a job that asks for it is real, and fails at once."""

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
KINDS = list(service.resources.values())
_numbers = itertools.count(random.Random().randrange(10**9) * 1000)


@dataclass
class Maker:
    """How a user makes one of a kind."""

    platform: Platform

    def __call__(self, kind: str, name: str) -> dict[str, Any]:
        """Create a resource of that kind and name; return Create's answer."""
        members: dict[str, Any] = getattr(self, kind)(name)
        create = getattr(self.platform.client("sagemaker"), f"create_{xform_name(kind)}")
        answer: dict[str, Any] = create(**{f"{kind}Name": name, **members})
        return answer

    def TrainingJob(self, _: str) -> dict[str, Any]:  # noqa: N802
        return {
            "RoleArn": self.platform.role,
            "AlgorithmSpecification": {"TrainingImage": NOWHERE, "TrainingInputMode": "File"},
            "OutputDataConfig": {"S3OutputPath": "s3://nowhere/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }

    def ProcessingJob(self, _: str) -> dict[str, Any]:  # noqa: N802
        cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        return {
            "RoleArn": self.platform.role,
            "AppSpecification": {"ImageUri": NOWHERE},
            "ProcessingResources": {"ClusterConfig": cluster},
        }

    def Model(self, _: str) -> dict[str, Any]:  # noqa: N802
        return {"ExecutionRoleArn": self.platform.role, "PrimaryContainer": {"Image": IMAGE}}

    def EndpointConfig(self, _: str) -> dict[str, Any]:  # noqa: N802
        variant = {"VariantName": "v", "ModelName": self._model(), "InstanceType": "ml.m5.large"}
        return {"ProductionVariants": [{**variant, "InitialInstanceCount": 1}]}

    def Endpoint(self, _: str) -> dict[str, Any]:  # noqa: N802
        name = f"for-endpoint-{next(_numbers)}"
        self("EndpointConfig", name)
        return {"EndpointConfigName": name}

    def TransformJob(self, _: str) -> dict[str, Any]:  # noqa: N802
        source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://nowhere/in"}}
        return {
            "ModelName": self._model(),
            "TransformInput": {"DataSource": source},
            "TransformOutput": {"S3OutputPath": "s3://nowhere/out"},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        }

    def _model(self) -> str:
        name = f"for-others-{next(_numbers)}"
        self("Model", name)
        return name


@pytest.fixture(scope="module")
def make(platform: Platform) -> Maker:
    return Maker(platform)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.kind)
def kind(request: pytest.FixtureRequest) -> Resource:
    found: Resource = request.param
    return found


@pytest.fixture
def stem(platform: Platform, kind: Resource) -> Iterator[str]:
    """A part of names that no other test uses; what was made with it is deleted where its kind can be."""
    part = f"q{next(_numbers)}x"
    yield part
    if "Delete" in kind.verbs:
        for name in names(platform, kind, NameContains=part):
            until(partial(_settled, platform, kind, name))
            call(platform, kind, "delete", **{kind.name_member: name})


def _settled(platform: Platform, kind: Resource, name: str) -> bool:
    found = call(platform, kind, "describe", **{kind.name_member: name})
    return found.get("EndpointStatus") not in ("Creating", "Updating")


def call(platform: Platform, kind: Resource, verb: str, **params: Any) -> dict[str, Any]:
    suffix = "s" if verb == "list" else ""
    operation = getattr(platform.client("sagemaker"), f"{verb}_{xform_name(kind.kind)}{suffix}")
    answer: dict[str, Any] = operation(**params)
    return answer


def names(platform: Platform, kind: Resource, **params: Any) -> list[str]:
    """Return all names that List gives, page by page."""
    found: list[str] = []
    while True:
        page = call(platform, kind, "list", **params)
        (entries,) = (value for value in page.values() if isinstance(value, list))
        found += [entry[kind.name_member] for entry in entries]
        if "NextToken" not in page:
            return found
        params["NextToken"] = page["NextToken"]


def refusal(act: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        act()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_every_derived_create_is_driven_or_complete_by_itself() -> None:
    """A Create with nothing behind it would be a fake: a kind with a lifecycle has a drive."""
    for found in all_services():
        for declared in found.resources.values():
            assert (declared.lifecycle is None) == (declared.drive is None), declared.type


def test_describe_shows_what_create_was_given(make: Maker, platform: Platform, kind: Resource, stem: str) -> None:
    name = f"A-{stem}"
    arn = make(kind.kind, name)[kind.arn_member]
    found = call(platform, kind, "describe", **{kind.name_member: name})
    assert found[kind.name_member] == name
    assert found[kind.arn_member] == arn == f"arn:aws:sagemaker:us-east-1:123456789012:{kind.slug}/a-{stem}"
    again = call(platform, kind, "describe", **{kind.name_member: name.lower()})
    assert again[kind.arn_member] == arn
    assert abs(found["CreationTime"] - datetime.now(UTC)) < timedelta(minutes=5)
    assert {} not in found.values()
    assert None not in found.values()


def test_a_name_is_given_once(make: Maker, kind: Resource, stem: str) -> None:
    make(kind.kind, f"a-{stem}")
    code, message = refusal(lambda: make(kind.kind, f"A-{stem}"))
    assert code == ("ResourceInUse" if kind.kind.endswith("Job") else "ValidationException")
    assert "already exist" in message


def test_what_is_not_there_is_refused_in_the_kinds_own_words(platform: Platform, kind: Resource) -> None:
    words = {
        "TrainingJob": "Requested resource not found.",
        "ProcessingJob": "Could not find requested job with name: absent",
        "TransformJob": "Could not find requested job with name: absent",
        "Model": 'Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/absent".',
        "EndpointConfig": 'Could not find endpoint configuration "arn:aws:sagemaker:us-east-1:123456789012:'
        'endpoint-config/absent".',
        "Endpoint": 'Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/absent".',
    }
    for verb in {"describe", "delete"} & {verb.lower() for verb in kind.verbs}:
        found = refusal(partial(call, platform, kind, verb, **{kind.name_member: "absent"}))
        assert found == ("ValidationException", words[kind.kind])


def test_pages_hold_all_names_once_in_both_orders(make: Maker, platform: Platform, kind: Resource, stem: str) -> None:
    made = [f"{letter}-{stem}" for letter in "dacbe"]
    for name in made:
        make(kind.kind, name)
    assert names(platform, kind, NameContains=stem, SortOrder="Ascending", MaxResults=2) == made
    assert names(platform, kind, NameContains=stem, SortOrder="Descending", MaxResults=2) == made[::-1]
    assert names(platform, kind, NameContains=stem, SortBy="Name", SortOrder="Ascending", MaxResults=1) == sorted(made)
    default = made[::-1] if kind.descending else made
    assert names(platform, kind, NameContains=stem) == default


def test_filters_by_time(make: Maker, platform: Platform, kind: Resource, stem: str) -> None:
    make(kind.kind, f"a-{stem}")
    made = call(platform, kind, "describe", **{kind.name_member: f"a-{stem}"})["CreationTime"]
    before, after = made - timedelta(seconds=1), made + timedelta(seconds=1)
    assert names(platform, kind, NameContains=stem, CreationTimeAfter=before, CreationTimeBefore=after)
    assert not names(platform, kind, NameContains=stem, CreationTimeAfter=after)
    assert not names(platform, kind, NameContains=stem, CreationTimeBefore=before)


def test_a_page_token_belongs_to_its_query(make: Maker, platform: Platform, kind: Resource, stem: str) -> None:
    for letter in "ab":
        make(kind.kind, f"{letter}-{stem}")
    token = call(platform, kind, "list", NameContains=stem, MaxResults=1)["NextToken"]
    for params in ({"NameContains": "b"}, {"NameContains": stem, "SortBy": "Name"}):
        code, _ = refusal(partial(call, platform, kind, "list", NextToken=token, **params))
        assert code == "ValidationException"
    for garbage in ("x", token[:-4], "!!!!", "e30="):
        code, _ = refusal(partial(call, platform, kind, "list", NameContains=stem, NextToken=garbage))
        assert code == "ValidationException"


def test_tags_come_with_create_and_by_themselves(make: Maker, platform: Platform, kind: Resource, stem: str) -> None:
    sagemaker = platform.client("sagemaker")
    arn = make(kind.kind, f"a-{stem}")[kind.arn_member]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "one"}, {"Key": "a", "Value": ""}])
    answer = sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "two"}])
    assert {"Key": "team", "Value": "two"} in answer["Tags"]
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a", "absent"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "two"}]
    found = sagemaker.search(
        Resource=kind.kind,
        SearchExpression={"Filters": [{"Name": f"{kind.kind}Name", "Operator": "Contains", "Value": stem}]},
    )["Results"] if kind.kind in SEARCHABLE else []  # fmt: skip
    for result in found:
        assert result[kind.kind]["Tags"] == [{"Key": "team", "Value": "two"}]
    assert len(found) == (kind.kind in SEARCHABLE)


SEARCHABLE = {"TrainingJob", "Endpoint"}


def test_a_tag_of_amazons_own_is_refused(make: Maker, platform: Platform, kind: Resource, stem: str) -> None:
    arn = make(kind.kind, f"a-{stem}")[kind.arn_member]
    tags = [{"Key": "aws:mine", "Value": "x"}]
    code, _ = refusal(lambda: platform.client("sagemaker").add_tags(ResourceArn=arn, Tags=tags))
    assert code == "ValidationException"
    assert platform.client("sagemaker").list_tags(ResourceArn=arn)["Tags"] == []
    members = {kind.name_member: f"b-{stem}", **getattr(make, kind.kind)(stem), "Tags": tags}
    code, _ = refusal(partial(call, platform, kind, "create", **members))
    assert code == "ValidationException"
    assert names(platform, kind, NameContains=f"b-{stem}") == []


def test_a_role_that_is_not_there_is_refused(make: Maker, platform: Platform, kind: Resource, stem: str) -> None:
    members = getattr(make, kind.kind)(stem)
    member = next((name for name in ("RoleArn", "ExecutionRoleArn") if name in members), None)
    if member is None:
        return
    members[member] = "arn:aws:iam::123456789012:role/absent"
    code, message = refusal(lambda: call(platform, kind, "create", **{kind.name_member: f"a-{stem}", **members}))
    assert code == "ValidationException"
    assert "arn:aws:iam::123456789012:role/absent" in message
    assert names(platform, kind, NameContains=stem) == []
