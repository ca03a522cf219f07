"""Batch transform's agent against a real serving container (the host, with a small app behind it)."""

import gzip
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import until
from tests.images.contract import IMAGES, Container
from tests.images.transform_job import Job

from _kit import recordio


@pytest.fixture
def job(base: Path) -> Job:
    """A job without objects yet."""
    return Job(base)


def test_each_object_gets_an_output_of_its_name_folders_kept(job: Job) -> None:
    job.put("a.csv", "1,2\n3,4\n")
    job.put("sub/b.csv", "5,6")
    job.put("sub/empty.csv", "")
    result = job.run()
    assert result.code == 0, result.log
    assert job.output() == {"a.csv.out": "3\n7\n", "sub/b.csv.out": "11\n", "sub/empty.csv.out": ""}
    assert job.sent == [b"1,2\n3,4\n", b"5,6"]
    assert "[sagemaker logs]: MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD" in result.output


def test_single_record_sends_one_line_at_a_time(job: Job) -> None:
    job.put("a.csv", "1,2\n3,4\n")
    assert job.run(BatchStrategy="SingleRecord").code == 0
    assert job.sent == [b"1,2\n", b"3,4\n"]
    assert job.output() == {"a.csv.out": "3\n7\n"}


def test_the_containers_own_parameters_hold_where_the_request_says_nothing(job: Job) -> None:
    job.model.environment["PARAMETERS"] = '{"BatchStrategy": "SINGLE_RECORD", "MaxConcurrentTransforms": 3}'
    job.put("a.csv", "1\n2\n")
    assert "MaxConcurrentTransforms=3, MaxPayloadInMB=6, BatchStrategy=SINGLE_RECORD" in job.run().output
    assert sorted(job.sent) == [b"1\n", b"2\n"]


def test_requests_run_side_by_side_and_answers_keep_their_order(job: Job) -> None:
    job.put("a.csv", "meet1\nmeet2\nmeet3\nmeet4\n")
    assert job.run(BatchStrategy="SingleRecord", MaxConcurrentTransforms=2).code == 0
    assert job.output() == {"a.csv.out": "meet1\nmeet2\nmeet3\nmeet4\n"}


def test_one_bad_object_fails_the_job_and_the_others_are_written(job: Job) -> None:
    job.put("a.csv", "1\n")
    job.put("b.csv", "2\nbad\n")
    job.put("c.csv", "3\n")
    result = job.run(BatchStrategy="SingleRecord")
    assert result.code == 1
    assert job.output() == {"a.csv.out": "1\n", "c.csv.out": "3\n"}
    assert job.failure() == (
        "ClientError: See job logs for more information\n"
        "b.csv: Bad HTTP status received from algorithm: 400\nno number: bad"
    )
    assert "[sagemaker logs]: b.csv: Bad HTTP status received from algorithm: 400\n" in result.output
    assert job.sent.count(b"bad\n") == 1


def test_server_errors_are_tried_again_and_then_the_models_fault(job: Job) -> None:
    job.put("a.csv", "flaky,4\n")
    job.put("b.csv", "crash\n")
    assert job.run(ModelClientConfig={"InvocationsMaxRetries": 2}).code == 1
    assert job.output() == {"a.csv.out": "4\n"}
    assert job.sent.count(b"flaky,4\n") == 2
    assert job.sent.count(b"crash\n") == 3
    assert job.failure().startswith("AlgorithmError: See job logs for more information\nb.csv: Bad HTTP status")
    assert job.failure().endswith("500\nmodel fell over")


def test_a_model_that_takes_too_long_is_given_up(job: Job) -> None:
    os.mkfifo(job.agent.base / "fifo")
    job.put("a.csv", "block,1\n")
    job.describe(ModelClientConfig={"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 0})
    with job.serving():
        assert job.agent.run("transform").code == 1
        (job.agent.base / "fifo").write_text("")
    assert "Model server did not respond within 1 s" in job.failure()


def test_gzip_is_undone_and_a_damaged_one_fails_its_object_alone(job: Job) -> None:
    job.put("a.csv.gz", gzip.compress(b"1,2\n"))
    job.put("b.csv.gz", gzip.compress(os.urandom(5000).hex().encode())[:-2000])
    job.put("c.csv.gz", b"not gzip")
    split = {"ContentType": "text/csv", "SplitType": "Line", "CompressionType": "Gzip"}
    assert job.run(TransformInput=split).code == 1
    assert job.output() == {"a.csv.gz.out": "3\n"}


def test_filters_and_joins_as_in_awss_guide(job: Job) -> None:
    """Keep the id out of the model's sight, then write id and prediction."""
    job.put("a.csv", "id-1,1,2\nid-2,3,4\n")
    processing = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    target = {"Accept": "text/csv", "AssembleWith": "Line"}
    assert job.run(DataProcessing=processing, TransformOutput=target).code == 0
    assert job.sent == [b"1,2\n3,4\n"]
    assert job.output() == {"a.csv.out": "id-1,3\nid-2,7\n"}


def test_json_lines_are_joined(job: Job) -> None:
    job.put("a.jsonl", '{"id": 1, "x": [1, 2]}\n{"id": 2, "x": [3]}\n')
    split = {"ContentType": "application/jsonlines", "SplitType": "Line"}
    assert (
        job.run(
            TransformInput=split, DataProcessing={"JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"}
        ).code
        == 0
    )
    assert [json.loads(line) for line in job.output()["a.jsonl.out"].splitlines()] == [
        {"id": 1, "SageMakerOutput": {"sum": 3}},
        {"id": 2, "SageMakerOutput": {"sum": 3}},
    ]


def test_a_filter_that_leads_nowhere_fails_the_object(job: Job) -> None:
    job.put("a.csv", "1,2\n")
    assert (
        job.run(
            DataProcessing={"OutputFilter": "$[5]"}, TransformOutput={"Accept": "text/csv", "AssembleWith": "Line"}
        ).code
        == 1
    )
    assert job.failure().startswith(
        "ClientError: See job logs for more information\na.csv: $[5] leads nowhere in a record"
    )
    assert job.output() == {}


def test_objects_that_are_not_split_are_sent_whole(job: Job) -> None:
    job.put("image.png", b"\x89PNG" + bytes(3_000_000))
    whole = {"ContentType": "application/octet-stream", "SplitType": "None"}
    assert job.run(TransformInput=whole, TransformOutput={}).code == 0
    assert job.output() == {"image.png.out": "3000004;"}


def test_recordio_is_split_without_frames_for_single_records(job: Job) -> None:
    job.put("a.rec", recordio.frame(b"abc") + recordio.frame(b"defgh"))
    framed = {"ContentType": "application/octet-stream", "SplitType": "RecordIO"}
    assert job.run(TransformInput=framed, TransformOutput={}, BatchStrategy="SingleRecord").code == 0
    assert job.output() == {"a.rec.out": "3;5;"}


def test_a_record_larger_than_a_payload_fails_its_object(job: Job) -> None:
    job.put("a.csv", "1\n" + "9" * 1_100_000 + "\n")
    job.put("b.csv", "2\n")
    assert job.run(MaxPayloadInMB=1).code == 1
    assert "a.csv: Too much data for max payload size" in job.failure()
    assert job.output() == {"b.csv.out": "2\n"}


def test_a_large_object_is_never_in_memory_as_a_whole(job: Job) -> None:
    line = b"1," * 500 + b"1\n"
    with (job.agent.base / "input").parent.joinpath("big").open("wb") as big:
        for _ in range(200):
            big.write(line * 1000)
    (job.agent.base / "input").mkdir(exist_ok=True)
    (job.agent.base / "big").rename(job.agent.base / "input/big.bin")
    job.keys.append("big.bin")
    job.describe(
        TransformInput={"ContentType": "application/octet-stream", "SplitType": "Line"},
        TransformOutput={},
        MaxPayloadInMB=2,
    )
    watch = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    agent = job.agent
    environment = {
        "SAGEMAKER_BASE_DIR": str(agent.base),
        "PYTHONPATH": str(IMAGES),
    }
    command = [str(agent.python), "-c", watch, str(agent.python), "-P", "-m", "_kit.launch", str(IMAGES / "batch")]
    with job.serving():
        done = subprocess.run([*command, "transform"], env=environment, capture_output=True, text=True, check=True)
    code, kilobytes = map(int, done.stdout.splitlines()[-1].split())
    assert code == 0
    assert kilobytes < 80_000  # the object is 200 MB
    assert sum(map(int, re.findall(r"(\d+);", job.output()["big.bin.out"]))) == 200_000 * len(line)


def test_a_stopped_job_ends_at_once_and_leaves_no_half_output(job: Job) -> None:
    os.mkfifo(job.agent.base / "fifo")
    job.put("a.csv", "1\nblock,2\n")
    job.describe(BatchStrategy="SingleRecord")
    with job.serving():
        process = job.agent.popen("transform")
        until((job.agent.base / "started").exists)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        (job.agent.base / "fifo").write_text("")
    assert process.returncode == 143
    assert job.output() == {}
    assert not (job.agent.base / "drafts").exists()


def test_a_container_that_never_answers_is_the_models_fault(job: Job) -> None:
    job.put("a.csv", "1\n")
    job.describe()
    path = job.agent.base / "config/transform.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "PingTimeoutInSeconds": 0.2}))
    assert job.agent.run("transform").code == 1
    assert job.failure().startswith(
        "AlgorithmError: See job logs for more information\nThe model container did not pass the ping"
    )


def test_a_key_that_leads_outside_fails_alone(job: Job) -> None:
    job.put("a.csv", "1\n")
    job.keys.append("../secret.csv")
    job.agent.write("secret.csv", "2\n")
    assert job.run().code == 1
    assert job.output() == {"a.csv.out": "1\n"}
    assert "../secret.csv: an object with this key has no place" in job.failure()


def test_xgboost_transforms_in_batch(job: Job, image_python: Callable[[str], Path]) -> None:
    model = Container("xgboost", job.agent.base, image_python("xgboost"))
    model.write("input/data/train/a.csv", "".join(f"{n % 2},{n % 2},{n}\n" for n in range(60)))
    model.configure({"num_round": 3, "objective": "binary:logistic"}, train="text/csv")
    model.train()
    model.environment["SAGEMAKER_BATCH"] = "true"
    job.model = model
    job.put("a.csv", "id-1,0,7\nid-2,1,8\nid-3,0,9\n")
    processing = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    job.describe(DataProcessing=processing, TransformOutput={"Accept": "text/csv", "AssembleWith": "Line"})
    with job.serving():
        result = job.agent.run("transform")
    assert result.code == 0, result.output
    table = [line.split(",") for line in job.output()["a.csv.out"].splitlines()]
    assert [row[0] for row in table] == ["id-1", "id-2", "id-3"]
    assert [float(row[1]) > 0.5 for row in table] == [False, True, False]
