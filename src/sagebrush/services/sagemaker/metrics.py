"""Training metrics: read off the log by the job's own regular expressions."""

import math
import re
from collections.abc import Callable, Iterator

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.signals.logs import Window
from sagebrush.kernel.signals.metrics import Datum
from sagebrush.kernel.state.record import Body, Record

NAMESPACE = "/aws/sagemaker/TrainingJobs"
_BATCH = 5000


Finder = Callable[[str], Iterator[tuple[str, float]]]


def scrape(job: Record, world: World, group: str, stream: str) -> Record:
    """Look at the lines that came since the last look; publish what they say and keep the last value of each metric.

    The place in the log is kept with the job, so that a line counts once.
    """
    find = _finder(job, world)
    time, ordinal = job.private.get("scraped", (0, 0))
    final: dict[str, Body] = {metric["MetricName"]: metric for metric in job.get("FinalMetricDataList", ())}
    try:
        found = world.logs.group(job.account, job.region, group)
        lines = list(world.logs.read(found, stream, Window((time, ordinal)), limit=_BATCH))
    except AwsError:
        return job
    data: list[Datum] = []
    for line in lines:
        for name, value in find(line.message):
            seconds = line.time / 1000
            data.append(Datum.of(name, value, {"TrainingJobName": job.name}, time=seconds))
            final[name] = {"MetricName": name, "Value": value, "Timestamp": seconds}
    if data:
        world.metrics.put(job.account, job.region, NAMESPACE, data)
        job = job.having(FinalMetricDataList=list(final.values())[:40])
    if not lines:
        return job
    job = job.remembering(scraped=[lines[-1].time, lines[-1].ordinal])
    return scrape(job, world, group, stream) if len(lines) == _BATCH else job


def _finder(job: Record, world: World) -> Finder:
    """Return what finds a job's metrics in a line: its own definitions, and those of a built-in algorithm.

    The first group of a definition is the value, as in AWS's MetricDefinitions. A built-in algorithm names metrics
    `validation-auc` in its log and `validation:auc` in CloudWatch.
    """
    algorithm: Body = job["AlgorithmSpecification"]
    own = [(given["Name"], re.compile(given["Regex"])) for given in algorithm.get("MetricDefinitions", ())]
    image = world.images.resolve(algorithm["TrainingImage"])
    scripted = "sagemaker_program" in job.get("HyperParameters", {}) or "ContainerEntrypoint" in algorithm
    built_in = re.compile(image.metrics) if image and image.metrics and not scripted else None

    def find(line: str) -> Iterator[tuple[str, float]]:
        for name, pattern in own:
            if (match := pattern.search(line)) and (value := _number(match.group(1))) is not None:
                yield name, value
        for match in built_in.finditer(line) if built_in else ():
            if (value := _number(match["value"])) is not None:
                yield match["name"].replace("-", ":", 1), value

    return find


def _number(text: str | None) -> float | None:
    """Return a finite number that a log line names; CloudWatch takes no others."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
