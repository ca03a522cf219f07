"""Training metrics: read off the log by the job's own regular expressions."""

import logging
import subprocess
from collections.abc import Iterator, Sequence

import orjson

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.compute.start import interpreter
from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.signals.logs import Line, Window
from sagebrush.kernel.signals.metrics import Datum
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import scan
from sagebrush.services.sagemaker.scan import Found, Pattern

log = logging.getLogger(__name__)

NAMESPACE = "/aws/sagemaker/TrainingJobs"
_BATCH = 1000
_LISTED = 40


def scrape(job: Record, world: World, group: str, stream: str) -> Record:
    """Look at the lines that came since the last look; publish what they say and keep the last value of each metric.

    The job remembers its place in the log, and so does the metric store: the two are not saved at once, and a line
    counts once in each, whatever is cut off or repeated.
    """
    asked = patterns(job, world)
    if not asked:
        return job
    writer = f"{job.arn}/{stream}"
    published = world.metrics.mark(writer)
    final: dict[str, Body] = {metric["MetricName"]: metric for metric in job.get("FinalMetricDataList", ())}
    for lines in _batches(world, job, group, stream):
        data: list[Datum] = []
        for number, name, value in found(asked, [line.message for line in lines]):
            line = lines[number]
            seconds = line.time / 1000
            final[name] = {"MetricName": name, "Value": value, "Timestamp": seconds}
            if (line.time, line.ordinal) > published:
                data.append(Datum.of(name, value, {"TrainingJobName": job.name}, time=seconds))
        place = (lines[-1].time, lines[-1].ordinal)
        if data:
            world.metrics.put(job.account, job.region, NAMESPACE, data, mark=(writer, place))
        job = job.remembering(scraped=[stream, *place])
    return job.having(FinalMetricDataList=list(final.values())[:_LISTED] or None)


def _batches(world: World, job: Record, group: str, stream: str) -> Iterator[list[Line]]:
    """Yield the lines of a stream that are new to the job."""
    known, time, ordinal = job.private.get("scraped", ("", 0, 0))
    place = (time, ordinal) if known == stream else (0, 0)
    while True:
        try:
            where = world.logs.group(job.account, job.region, group)
            lines = list(world.logs.read(where, stream, Window(place), limit=_BATCH))
        except AwsError:
            return  # there is no such stream before the first line
        if lines:
            yield lines
            place = (lines[-1].time, lines[-1].ordinal)
        if len(lines) < _BATCH:
            return


def found(asked: Sequence[Pattern], lines: Sequence[str]) -> list[Found]:
    """Return the metrics that lines tell of, in their order.

    They are looked for in another process; where that fails, for memory say, there are none: no job depends on them.
    """
    question = orjson.dumps([asked, [line[: scan.LONGEST] for line in lines]])
    done = subprocess.run([interpreter(), "-I", "-S", scan.__file__], input=question, capture_output=True, check=False)
    if done.returncode:
        told = done.stderr[-500:].decode("utf-8", "replace")
        log.warning("the metrics of %d lines are not known: %s", len(lines), told)
        return []
    return [(number, name, value) for number, name, value in orjson.loads(done.stdout)]


def patterns(job: Record, world: World) -> list[Pattern]:
    """Return what finds a job's metrics: what a built-in algorithm writes, and the job's own definitions.

    The first group of a definition is the value, as in AWS's MetricDefinitions. A built-in algorithm names metrics
    `validation-auc` in its log and `validation:auc` in CloudWatch.
    """
    algorithm: Body = job["AlgorithmSpecification"]
    own = [(given["Name"], given["Regex"]) for given in algorithm.get("MetricDefinitions", ())]
    image = world.images.resolve(algorithm["TrainingImage"])
    if image is None or not image.metrics or _scripted(job):
        return own
    return [("", image.metrics), *own]


def _scripted(job: Record) -> bool:
    """Tell whether the container runs the user's code in place of the image's algorithm."""
    return (
        "sagemaker_program" in job.get("HyperParameters", {})
        or "SAGEMAKER_PROGRAM" in job.get("Environment", {})
        or "ContainerEntrypoint" in job["AlgorithmSpecification"]
    )
