"""Training metrics: read off the log by the job's own regular expressions."""

import re

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.signals.logs import Window
from sagebrush.kernel.signals.metrics import Datum
from sagebrush.kernel.state.record import Body, Record

NAMESPACE = "/aws/sagemaker/TrainingJobs"
_BATCH = 5000


def scrape(job: Record, world: World, group: str, stream: str) -> Record:
    """Look at the lines that came since the last look; publish what they say and keep the last value of each metric.

    Each definition's first group is the value, as in AWS's MetricDefinitions. The place in the log is kept with the
    job, so that a line counts once.
    """
    definitions = [
        (d["Name"], re.compile(d["Regex"])) for d in job["AlgorithmSpecification"].get("MetricDefinitions", ())
    ]
    if not definitions:
        return job
    time, ordinal = job.private.get("scraped", (0, 0))
    final: dict[str, Body] = {metric["MetricName"]: metric for metric in job.get("FinalMetricDataList", ())}
    try:
        found = world.logs.group(job.account, job.region, group)
        lines = list(world.logs.read(found, stream, Window((time, ordinal)), limit=_BATCH))
    except AwsError:
        return job
    data: list[Datum] = []
    for line in lines:
        for name, pattern in definitions:
            value = _value(pattern, line.message)
            if value is not None:
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


def _value(pattern: re.Pattern[str], text: str) -> float | None:
    match = pattern.search(text)
    try:
        return float(match.group(1)) if match else None
    except (TypeError, ValueError):
        return None
