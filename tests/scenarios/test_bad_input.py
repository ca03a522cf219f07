"""Wrong requests, by the thousand, to every operation there is: never a failure of the platform, nothing half-written.

`SAGEBRUSH_BAD_INPUTS` is how many are sent, `SAGEBRUSH_BAD_SEED` which ones: a failure shows the request itself.
"""

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPException
from random import Random
from typing import Any

import pytest
from tests.conftest import Platform, until
from tests.scenarios.bad_answers import problem
from tests.scenarios.bad_known import BUCKET, furnish
from tests.scenarios.bad_requests import drafts, operations, protocols, whole
from tests.scenarios.raw_requests import Answer, Connection, Draft, Signer

COUNT = int(os.environ.get("SAGEBRUSH_BAD_INPUTS", "6000"))
SEED = os.environ.get("SAGEBRUSH_BAD_SEED", "1")
REFURNISH = 250
"""Requests after which what a wrong request may have deleted is put back."""

SHOWN = 10
_COMPLAINT = re.compile(r"Traceback|ERROR|request \S+ failed|driving \S+ failed")


@pytest.fixture(scope="module")
def battered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that no other test sees."""
    running = Platform(tmp_path_factory.mktemp("battered") / "data").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def sent(battered: Platform) -> Counter[int]:
    """Send all of them; return how often each status was answered. Fails for any answer that is not as it must be."""
    signer, connection = _signer(battered), Connection(battered.endpoint)
    known = dict(furnish(battered))
    wrong: list[str] = []
    statuses: Counter[int] = Counter()
    for number, draft in enumerate(drafts(SEED, COUNT, known), 1):
        answer = _send(draft, connection, signer)
        statuses[answer.status if isinstance(answer, Answer) else -1] += 1
        found = answer if isinstance(answer, str) else problem(draft, answer)
        if found:
            told = f"{draft.operation.name} after {', '.join(draft.mutations)}: {found}"
            wrong.append(f"{told}\n    {draft.render()[:1500]!r}\n    -> {answer!r:.800}")
        if number % REFURNISH == 0:
            known.update(furnish(battered))
    connection.close()
    assert not wrong, f"{len(wrong)} of {COUNT}:\n" + "\n".join(wrong[:SHOWN])
    return statuses


def _signer(platform: Platform) -> Signer:
    keys = platform.keys
    host = platform.endpoint.removeprefix("http://")
    return Signer(keys["aws_access_key_id"], keys["aws_secret_access_key"], host)


def _send(draft: Draft, connection: Connection, signer: Signer) -> Answer | str:
    """Sign and send a draft; return the answer, or what is wrong where there is none."""
    signer.sign(draft)
    try:
        return connection.send(draft.render(), draft.method, last=draft.ends)
    except (TimeoutError, HTTPException) as error:
        return f"no answer: {error!r}"


def test_no_wrong_request_is_the_platforms_fault(sent: Counter[int]) -> None:
    """Each is answered, with AWS's error in the protocol of its client; a fair share gets as far as an operation."""
    assert sum(sent.values()) == COUNT
    assert sent[200] + sent[204] > COUNT // 20, sent
    assert sent[400] > COUNT // 3, sent


def test_whole_requests_come_from_the_same_maker(battered: Platform) -> None:
    """So that what is changed is what is refused: unchanged, half of all operations succeed."""
    known, signer, connection = furnish(battered), _signer(battered), Connection(battered.endpoint)
    good = set()
    every = [(service, operation) for service, operation in operations() if not operation.name.startswith("Delete")]
    for number in range(8):
        for service, operation in every:
            draft = whole(service, operation, protocols(service)[0], known[service], Random(number))
            answer = _send(draft, connection, signer)
            assert isinstance(answer, Answer), answer
            assert not problem(draft, answer), (draft.operation.name, answer)
            if answer.status < 300:
                good.add(operation.name)
    connection.close()
    assert len(good) > len(every) / 2, sorted(good)


@pytest.mark.usefixtures("sent")
def test_the_server_has_nothing_to_complain_of(battered: Platform) -> None:
    complaints = [line for line in battered.log().splitlines() if _COMPLAINT.search(line)]
    assert not complaints, "\n".join(complaints[:SHOWN])


@pytest.mark.usefixtures("sent")
def test_no_file_is_left_half_written(battered: Platform) -> None:
    """No draft is left, every file of the object store belongs to an object or a part, and each of those has its file."""
    objects = battered.data / "objects"
    drafts_left = objects / "drafts"
    until(lambda: not list(drafts_left.iterdir()), "the drafts to be gone")
    index = sqlite3.connect(f"file:{battered.data / 'objects.db'}?mode=ro", uri=True)
    rows = dict(index.execute("SELECT blob, size FROM objects UNION SELECT blob, size FROM parts"))
    index.close()
    files = {path.parent.name + path.name: path.stat().st_size for path in objects.glob("??/*")}
    assert files == rows


_LISTS: dict[str, dict[str, tuple[str, str]]] = {
    "sagemaker": {
        "list_models": ("Models", "ModelName"),
        "list_endpoint_configs": ("EndpointConfigs", "EndpointConfigName"),
        "list_endpoints": ("Endpoints", "EndpointName"),
        "list_training_jobs": ("TrainingJobSummaries", "TrainingJobName"),
        "list_processing_jobs": ("ProcessingJobSummaries", "ProcessingJobName"),
        "list_transform_jobs": ("TransformJobSummaries", "TransformJobName"),
    },
    "iam": {"list_roles": ("Roles", "RoleName")},
}


@pytest.mark.usefixtures("sent")
def test_every_record_can_be_listed_and_described(battered: Platform) -> None:
    for service, lists in _LISTS.items():
        client = battered.client(service)
        for method, (member, name) in lists.items():
            verb = "get_role" if service == "iam" else method.replace("list_", "describe_").removesuffix("s")
            for page in client.get_paginator(method).paginate():
                for shown in page[member]:
                    described = getattr(client, verb)(**{name: shown[name]})
                    assert (described.get("Role") or described)[name] == shown[name]


@pytest.mark.usefixtures("sent")
def test_no_job_was_the_platforms_fault(battered: Platform) -> None:
    """What was accepted by chance ends, and not with an internal error."""
    sm = battered.client("sagemaker")
    for kind, summaries in (("Training", "TrainingJobSummaries"), ("Processing", "ProcessingJobSummaries")):
        for summary in getattr(sm, f"list_{kind.lower()}_jobs")(MaxResults=100)[summaries]:
            name = {f"{kind}JobName": summary[f"{kind}JobName"]}
            described = until(_ended(getattr(sm, f"describe_{kind.lower()}_job"), name, f"{kind}JobStatus"), str(name))
            assert "InternalServerError" not in described.get("FailureReason", ""), described


def _ended(describe: Callable[..., Any], name: dict[str, str], status: str) -> Callable[[], Any]:
    def look() -> Any:
        described = describe(**name)
        return described if described[status] not in {"InProgress", "Stopping"} else None

    return look


@pytest.mark.usefixtures("sent")
def test_good_requests_still_do_what_they_say(battered: Platform) -> None:
    s3, sm = battered.client("s3"), battered.client("sagemaker")
    furnish(battered)
    s3.put_object(Bucket=BUCKET, Key="good", Body=b"good", Metadata={"a": "b"})
    there = s3.get_object(Bucket=BUCKET, Key="good")
    assert (there["Body"].read(), there["Metadata"]) == (b"good", {"a": "b"})
    container = {"Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"}
    sm.create_model(ModelName="good", PrimaryContainer=container, ExecutionRoleArn=battered.role)
    assert sm.describe_model(ModelName="good")["PrimaryContainer"]["Image"] == container["Image"]
    sm.delete_model(ModelName="good")
