"""Search over training jobs, as boto3 sees it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import Platform
from tests.services.jobs_help import Jobs, channel, refusal

DEPTHS = {"a": "3", "b": "10", "c": "2.5"}
STEM = "searched"


@pytest.fixture(scope="module")
def jobs(platform: Platform) -> Jobs:
    """Three jobs that failed to start, so that none costs anything, and one that was measured."""
    made = Jobs(platform, STEM)
    for letter, depth in DEPTHS.items():
        made.train(
            name(letter), ContainerEntrypoint=["true"],
            HyperParameters={"depth": depth, "kind": f"kind-{letter}"},
            InputDataConfig=[
                channel("train", made.uri(f"{letter}/train")), channel("extra", made.uri("extra"), ContentType="text/csv"),
            ],
            Tags=[{"Key": "letter", "Value": letter}, {"Key": "test", "Value": STEM}],
        )  # fmt: skip
    made.train(
        name("m"), "print('auc: 0.75')", MetricDefinitions=[{"Name": "auc", "Regex": "auc: (.*)"}],
        Tags=[{"Key": "test", "Value": STEM}], EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 90},
    )  # fmt: skip
    for letter in DEPTHS:
        made.trained(name(letter), "Failed")
    made.trained(name("m"))
    return made


def name(letter: str) -> str:
    return f"{STEM}-{letter}"


def where(property_: str, operator: str | None = None, value: str | None = None) -> dict[str, str]:
    return {"Name": property_, **({"Operator": operator} if operator else {}), **({"Value": value} if value else {})}


def found(jobs: Jobs, *filters: dict[str, str], **more: Any) -> str:
    """Return the letters of this module's jobs that pass all filters, oldest first."""
    own = where("Tags.test", "Equals", STEM)
    expression = {"Filters": [own, *filters], **more.pop("also", {})}
    asked = {"SortBy": "CreationTime", "SortOrder": "Ascending", "MaxResults": 100, **more}
    answer = jobs.sm.search(Resource="TrainingJob", SearchExpression=expression, **asked)
    assert answer["TotalHits"]["Value"] == len(answer["Results"])
    return "".join(result["TrainingJob"]["TrainingJobName"][-1] for result in answer["Results"])


@pytest.mark.parametrize(
    ("property_", "operator", "value", "letters"),
    [
        ("TrainingJobStatus", "Equals", "Failed", "abc"),
        ("TrainingJobStatus", None, "Failed", "abc"),
        ("TrainingJobStatus", "NotEquals", "Failed", "m"),
        ("TrainingJobStatus", "In", "Completed, Stopped", "m"),
        ("TrainingJobName", "Contains", f"{STEM.upper()}-A", "a"),
        ("FailureReason", "Exists", None, "abc"),
        ("FailureReason", "NotExists", None, "m"),
        ("FailureReason", "Contains", "No S3 objects found", "abc"),
        ("Tags.letter", "Equals", "b", "b"),
        ("Tags.letter", "NotEquals", "b", "acm"),
        ("Tags.letter", "NotExists", None, "m"),
        ("HyperParameters.depth", "GreaterThan", "2.5", "ab"),
        ("HyperParameters.depth", "LessThan", "9", "ac"),
        ("HyperParameters.depth", "LessThanOrEqualTo", "2.5", "c"),
        ("HyperParameters.depth", "Equals", "10.0", "b"),
        ("HyperParameters.depth", "Equals", "2", "c"),  # a whole number is compared with whole numbers
        ("HyperParameters.kind", "Equals", "kind-a", "a"),
        ("HyperParameters.kind", "GreaterThan", "1", ""),
        ("Metrics.auc", "GreaterThan", "0.7", "m"),
        ("Metrics.auc", "Equals", "0.750", "m"),
        ("Metrics.auc", "LessThan", "0.7", ""),
        ("ResourceConfig.InstanceCount", "GreaterThanOrEqualTo", "1", "abcm"),
        ("StoppingCondition.MaxRuntimeInSeconds", "LessThan", "10", "m"),
        ("EnableManagedSpotTraining", "Equals", "true", "m"),
        ("OutputDataConfig.S3OutputPath", "Contains", STEM, "abcm"),
        ("CreationTime", "GreaterThan", "2020-01-01T00:00:00", "abcm"),
        ("CreationTime", "LessThan", "2020-01-01T00:00:00Z", ""),
        ("Nothing.of.that", "Equals", "x", ""),
    ],
)
def test_a_filter_compares_what_describe_shows(
    jobs: Jobs, property_: str, operator: str | None, value: str | None, letters: str
) -> None:
    assert found(jobs, where(property_, operator, value)) == letters


def test_filters_are_joined_by_and_or_or(jobs: Jobs) -> None:
    a, m = where("Tags.letter", "Equals", "a"), where("TrainingJobStatus", "Equals", "Completed")
    assert found(jobs, a, m) == ""
    either = {"SubExpressions": [{"Filters": [a, m], "Operator": "Or"}]}
    assert found(jobs, also=either) == "am"
    deep = {"SubExpressions": [{"SubExpressions": [{"Filters": [a]}, {"Filters": [m]}], "Operator": "Or"}]}
    assert found(jobs, also=deep) == "am"


def test_nested_filters_must_all_hold_for_one_element(jobs: Jobs) -> None:
    def nested(*tests: dict[str, str]) -> dict[str, Any]:
        return {"NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": list(tests)}]}

    uri = where("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", "b/train")
    assert found(jobs, also=nested(uri)) == "b"
    assert found(jobs, also=nested(uri, where("InputDataConfig.ChannelName", "Equals", "train"))) == "b"
    assert found(jobs, also=nested(uri, where("InputDataConfig.ContentType", "Equals", "text/csv"))) == ""
    assert found(jobs, also={"NestedFilters": [{"NestedPropertyName": "TrainingJobName", "Filters": [uri]}]}) == ""


def test_results_are_sorted_by_any_property_and_come_in_pages(jobs: Jobs) -> None:
    own = {"Filters": [where("Tags.test", "Equals", STEM)]}
    asked: dict[str, Any] = {
        "Resource": "TrainingJob",
        "SearchExpression": own,
        "SortBy": "TrainingJobName",
        "MaxResults": 3,
    }
    first = jobs.sm.search(**asked)
    assert [result["TrainingJob"]["TrainingJobName"][-1] for result in first["Results"]] == ["m", "c", "b"]
    second = jobs.sm.search(**asked, NextToken=first["NextToken"])
    assert [result["TrainingJob"]["TrainingJobName"][-1] for result in second["Results"]] == ["a"]
    assert "NextToken" not in second
    for wrong in ("x", "0", first["NextToken"] + "0" * 30):
        with pytest.raises(ClientError, match="Invalid NextToken"):
            jobs.sm.search(**asked, NextToken=wrong)
    with pytest.raises(ClientError, match="Invalid NextToken"):
        jobs.sm.search(**{**asked, "SortBy": "CreationTime"}, NextToken=first["NextToken"])


def test_the_newest_change_comes_first_and_a_result_is_what_describe_shows(jobs: Jobs) -> None:
    answer = jobs.sm.search(Resource="TrainingJob", SearchExpression={"Filters": [where("Tags.test", "Equals", STEM)]})
    times = [result["TrainingJob"]["LastModifiedTime"] for result in answer["Results"]]
    assert times == sorted(times, reverse=True)
    job = next(r["TrainingJob"] for r in answer["Results"] if r["TrainingJob"]["TrainingJobName"] == name("m"))
    told = jobs.training(name("m"))
    assert job["Tags"] == [{"Key": "test", "Value": STEM}]
    assert {key: told[key] for key in job if key != "Tags"} == {key: job[key] for key in job if key != "Tags"}
    assert {"FinalMetricDataList", "SecondaryStatusTransitions", "ModelArtifacts"} <= set(job)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"Resource": "Experiment"}, "Resource Experiment is not supported"),
        ({"Resource": "Model"}, "Resource Model is not supported"),
        ({"CrossAccountFilterOption": "CrossAccount"}, "CrossAccountFilterOption"),
        ({"VisibilityConditions": [{"Key": "a", "Value": "b"}]}, "VisibilityConditions"),
        ({"SearchExpression": {"Filters": [where("TrainingJobName", "Equals")]}}, "requires a Value"),
        (
            {"SearchExpression": {"Filters": [where("TrainingJobName", "GreaterThan", "a")]}},
            "text property TrainingJobName",
        ),
        (
            {"SearchExpression": {"Filters": [where("CreationTime", "GreaterThan", "soon")]}},
            "neither a number nor a UTC time",
        ),
    ],
)
def test_what_cannot_be_searched_for_is_refused_by_name(jobs: Jobs, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(ClientError) as error:
        jobs.sm.search(**{"Resource": "TrainingJob", **asked})
    code, message = refusal(error)
    assert code == "ValidationException"
    assert told in message


def test_jobs_are_listed_with_filters_sorts_and_pages(jobs: Jobs) -> None:
    listed = jobs.sm.list_training_jobs(NameContains=STEM, StatusEquals="Failed")["TrainingJobSummaries"]
    assert [summary["TrainingJobName"][-1] for summary in listed] == ["a", "b", "c"]
    assert all(summary["TrainingJobArn"].endswith(summary["TrainingJobName"]) for summary in listed)
    (completed,) = jobs.sm.list_training_jobs(NameContains=STEM, StatusEquals="Completed")["TrainingJobSummaries"]
    assert completed["SecondaryStatus"] == "Completed"
    assert completed["TrainingEndTime"] == jobs.training(name("m"))["TrainingEndTime"]
    pages = jobs.sm.get_paginator("list_training_jobs").paginate(
        NameContains=STEM, SortBy="Name", SortOrder="Descending", PaginationConfig={"PageSize": 3}
    )
    assert [[job["TrainingJobName"][-1] for job in page["TrainingJobSummaries"]] for page in pages] == [
        ["m", "c", "b"],
        ["a"],
    ]
    later = datetime.now(UTC) + timedelta(days=1)
    assert jobs.sm.list_training_jobs(CreationTimeAfter=later)["TrainingJobSummaries"] == []
