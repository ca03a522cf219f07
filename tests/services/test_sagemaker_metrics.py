"""Metrics of training jobs: found in the log by users' regular expressions, each value once."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.services.jobs_help import XGBOOST
from tests.services.steps_help import METRIC, opened, record, train

from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.signals.metrics import Span
from sagebrush.services.sagemaker import jobs, metrics
from sagebrush.services.sagemaker.metrics import patterns, scrape
from sagebrush.services.sagemaker.scan import LONGEST

GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path / "data") as (made, _):
        yield made


def found(line: str, *regexes: str) -> dict[str, float]:
    """Return the metrics m0, m1, … that regular expressions find in a line."""
    own = [(f"m{number}", regex) for number, regex in enumerate(regexes)]
    return {name: value for _, name, value in metrics.found(own, [line])}


def test_the_first_group_is_the_value_if_it_is_a_number() -> None:
    line = "epoch 3; loss=-1.5e-3; auc 0.75 (best 0.8); nan nan; inf inf; text abc; empty "
    regexes = (
        "loss=([-0-9.e]+)",
        "auc (\\S+) .best ([0-9.]+)",
        "nan (nan)",
        "inf (inf)",
        "text (.*?);",
        "empty ?(x)?",
        "no (1)",
    )
    assert found(line, *regexes) == {"m0": -0.0015, "m1": 0.75}


def test_of_two_patterns_for_one_metric_each_line_counts_once() -> None:
    own = [("", r"(?P<name>[a-z]+-[a-z]+):(?P<value>\S+)"), ("train:auc", "train-auc:(.*)")]
    assert metrics.found(own, ["x", "train-auc:0.5", "train-loss:1 validation-auc:2"]) == [
        (1, "train:auc", 0.5),
        (2, "train:loss", 1.0),
        (2, "validation:auc", 2.0),
    ]


def test_a_pattern_that_takes_for_ever_is_given_up_and_the_others_still_find_theirs() -> None:
    began = time.monotonic()
    assert found("a" * 60 + "! loss: 0.5", "(a+)+$", "loss: (.*)") == {"m1": 0.5}
    assert time.monotonic() - began < 60


def test_a_line_without_end_takes_no_time_without_end() -> None:
    """`.*x` looks at a line from each of its characters: of a progress bar without line breaks the start must do."""
    line = "loss: 0.5 " + "=" * (4 * LONGEST) + " loss: 0.25"
    assert found(line, r".*\[[0-9]+\].*#011validation-rmse:(\S+)", r".*loss: (\S+)") == {"m1": 0.5}


def test_a_built_in_algorithm_has_patterns_of_its_own_and_a_script_has_not(world: World) -> None:
    algorithm = {"TrainingImage": XGBOOST, "TrainingInputMode": "File"}

    def names(name: str, **more: object) -> list[str]:
        job = record(world, train(world, TrainingJobName=name, **{"AlgorithmSpecification": algorithm, **more}))
        return [metric for metric, _ in patterns(job, world)]

    own = {"MetricDefinitions": [{"Name": "loss", "Regex": "loss: (.*)"}]}
    assert names("built-in") == [""]
    assert names("both", AlgorithmSpecification={**algorithm, **own}) == ["", "loss"]
    assert names("script", HyperParameters={"sagemaker_program": "train.py"}) == []
    assert names("variable", Environment={"SAGEMAKER_PROGRAM": "train.py"}) == []
    assert names("command", AlgorithmSpecification={**algorithm, "ContainerEntrypoint": ["true"]}) == []


def test_a_line_counts_once_whichever_of_the_two_notes_is_lost(world: World) -> None:
    arn = train(world)
    job = record(world, arn)
    stream = jobs.stream(job)
    place = (job.account, job.region, GROUP, stream)
    now = int(world.clock.now()) * 1000
    world.logs.append(*place, [(now, "loss: 1"), (now, "loss: 2"), (now + 1000, "other")])
    assert scrape(job, world, GROUP, stream)["FinalMetricDataList"][0]["Value"] == 2.0
    world.logs.append(*place, [(now + 1000, "loss: 3")])
    again = scrape(job, world, GROUP, stream)  # what was remembered of the first look is lost
    assert again["FinalMetricDataList"] == [{"MetricName": "loss", "Value": 3.0, "Timestamp": now / 1000 + 1}]
    assert scrape(again, world, GROUP, stream) == again
    found = world.metrics.statistics(METRIC, Span(now // 1000 - 60, now // 1000 + 60, 120))
    assert sum(point.bucket.samples for point in found) == 3
    assert world.metrics.mark(f"{arn}/{stream}") == (now + 1000, 4)


def test_a_long_log_is_read_to_its_end(world: World) -> None:
    arn = train(world)
    job = record(world, arn)
    now = int(world.clock.now()) * 1000
    lines = [(now + number, f"loss: {number}") for number in range(12_001)]
    world.logs.append(job.account, job.region, GROUP, jobs.stream(job), lines)
    assert scrape(job, world, GROUP, jobs.stream(job))["FinalMetricDataList"][0]["Value"] == 12_000.0
    assert world.metrics.mark(f"{arn}/{jobs.stream(job)}") == (now + 12_000, 12_001)


def test_a_log_that_does_not_exist_yet_tells_nothing(world: World) -> None:
    job = record(world, train(world))
    assert scrape(job, world, GROUP, jobs.stream(job)) == job


def test_metrics_that_cannot_be_looked_for_cost_nothing_but_themselves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metrics, "interpreter", lambda: "/bin/false")
    assert found("loss: 1", "loss: (.*)") == {}
    assert "the metrics of 1 lines are not known" in caplog.text
