"""From S3 to a training container's channels and checkpoints, and back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import Platform, until
from tests.services.jobs_help import Jobs, channel

from sagebrush.services.sagemaker.channels import relative

TREE = """
import json, os, pathlib
root = pathlib.Path("/opt/ml/input/data")
told = {}
for name in sorted(os.listdir(root)):
    if name != "code":
        files = [path for path in (root / name).rglob("*") if path.is_file()]
        told[name] = {path.relative_to(root / name).as_posix(): path.read_text()[:20] for path in files}
pathlib.Path("/opt/ml/model/told.json").write_text(json.dumps(told))
"""

WRITE = """
import errno, json, os, pathlib
told = {}
for name in ("small", "large", "fast"):
    folder = pathlib.Path("/opt/ml/input/data", name)
    file = next(folder.iterdir())
    told[name] = {"links": file.stat().st_nlink, "size": file.stat().st_size}
    for act, attempt in (
        ("change", lambda: open(file, "r+b").write(b"changed")),
        ("chmod", lambda: file.chmod(0o777)),
        ("add", lambda: (folder / "new").write_text("new")),
        ("remove", lambda: file.unlink()),
    ):
        try:
            attempt()
            told[name][act] = "done"
        except OSError as error:
            told[name][act] = errno.errorcode[error.errno]
pathlib.Path("/opt/ml/input/data/other").mkdir()
pathlib.Path("/opt/ml/model/told.json").write_text(json.dumps(told))
"""

CHECKPOINTS = """
import json, os, pathlib, signal, sys, time
folder = pathlib.Path("/opt/ml/ck")
found = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
pathlib.Path("/opt/ml/model/told.json").write_text(json.dumps(found))
(folder / "epoch-1.txt").write_text("one")
(folder / "deep").mkdir(exist_ok=True)
(folder / "deep/state").write_text("first")
(folder / "host").symlink_to("/etc/hosts")
(folder / "old.txt").unlink()
print("saved", flush=True)
while not (folder / "go").exists():
    time.sleep(0.02)
(folder / "deep/state").write_text("second")
(folder / "go").unlink()
(folder / "epoch-1.txt").unlink()
"""

LARGE = 65 * 2**20
KEYS = {
    "data/train/a.csv": "a",
    "data/train/deep/b.csv": "b",
    "data/train/": "",
    "data/train-2/c.csv": "c",
    "data/trainer": "d",
    "data/train/odd name+é.csv": "e",
    "data/train/double//slash": "f",
    "clash/x": "file",
    "clash/x/y": "folder",
    "twice/twice": "1",
    "twice": "2",
    "climb/../../../../../../tmp/out": "no",
    "plain/one": "1",
}
MANIFESTS: dict[str, tuple[Any, str]] = {
    "manifest-no-prefix": (["a"], "is not a JSON list that starts with"),
    "manifest-object": ({"prefix": "s3://x"}, "is not a JSON list that starts with"),
    "manifest-number": ([{"prefix": 5}, "a"], "is not a JSON list that starts with"),
    "manifest-entry": ([{"prefix": "s3://x/"}, {"source": "a"}], "has an entry that is not a string"),
    "manifest-text": ("not json", "is not a JSON list that starts with"),
    "manifest-missing": ([{"prefix": "s3://BUCKET/data/"}, "none.csv"], "Data download failed:NoSuchKey (404): "),
    "manifest-climbs": ([{"prefix": "s3://BUCKET/data/"}, "../../secret"], "404"),
}


def start(jobs: Jobs) -> None:
    for key, text in KEYS.items():
        jobs.put(key, text)
    listed = [{"prefix": jobs.uri("data/train")}, "/a.csv", "/deep/b.csv", "/a.csv", "-2/c.csv"]
    manifest = jobs.put("manifests/good.json", json.dumps(listed))
    jobs.train(
        "tree", TREE,
        InputDataConfig=[
            channel("cut", jobs.uri("data/train")), channel("folder", jobs.uri("data/train/")),
            channel("single", jobs.uri("data/train/a.csv")), channel("all", f"s3://{jobs.bucket}/data/train-"),
            channel("listed", manifest, "ManifestFile"),
            channel("dotted.name-1", jobs.uri("plain"), InputMode="FastFile"),
        ],
    )  # fmt: skip
    for name, prefix in (("clash", "clash"), ("twice", "twice"), ("climb", "climb/")):
        jobs.train(name, TREE, InputDataConfig=[channel("train", jobs.uri(prefix))])
    for name, (held, _) in MANIFESTS.items():
        text = held if isinstance(held, str) else json.dumps(held).replace("BUCKET", jobs.bucket)
        uri = jobs.put(f"manifests/{name}", text)
        jobs.train(name, TREE, InputDataConfig=[channel("train", uri, "ManifestFile")])
    jobs.put("large/blob", b"\0" * LARGE)
    jobs.put("small/blob", "unchanged")
    jobs.train(
        "write", WRITE,
        InputDataConfig=[
            channel("small", jobs.uri("small/")), channel("large", jobs.uri("large/")),
            channel("fast", jobs.uri("small/"), InputMode="FastFile"),
        ],
    )  # fmt: skip
    jobs.put("ck/run/old.txt", "old")
    jobs.s3.put_object(Bucket=jobs.bucket, Key="ck/run/deep/kept", Body="kept", Metadata={"put": "before"})
    jobs.put("ck/run-2/other", "another run's")
    jobs.train("checkpoints", CHECKPOINTS, CheckpointConfig={"S3Uri": jobs.uri("ck/run"), "LocalPath": "/opt/ml/ck/"})


@pytest.fixture(scope="module")
def jobs(platform: Platform) -> Jobs:
    made = Jobs(platform, "channels")
    start(made)
    return made


def test_keys_become_paths_as_sagemaker_maps_them(jobs: Jobs) -> None:
    told = jobs.told("tree")
    below = {"a.csv": "a", "deep/b.csv": "b", "odd name+é.csv": "e", "double/slash": "f"}
    assert told["cut"] == {**below, "train-2/c.csv": "c", "trainer": "d"}
    assert told["folder"] == below
    assert told["single"] == {"a.csv": "a"}
    assert told["all"] == {"train-2/c.csv": "c"}
    assert told["listed"] == {"a.csv": "a", "deep/b.csv": "b", "-2/c.csv": "c"}
    assert told["dotted.name-1"] == {"one": "1"}


@pytest.mark.parametrize(("name", "key"), [("clash", "clash/x/y"), ("twice", "twice/twice")])
def test_objects_that_cannot_both_be_files_are_named(jobs: Jobs, name: str, key: str) -> None:
    told = jobs.trained(name, "Failed")["FailureReason"]
    assert told.startswith(f"ClientError: Data download failed: the S3 key '{key}' cannot become the file ")


def test_a_key_that_climbs_out_of_its_channel_is_refused(jobs: Jobs) -> None:
    told = jobs.trained("climb", "Failed")["FailureReason"]
    assert "does not name a file below its channel" in told


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_that_is_none_is_named(jobs: Jobs, name: str) -> None:
    told = jobs.trained(name, "Failed")["FailureReason"]
    assert told.startswith("ClientError: ")
    assert MANIFESTS[name][1] in told


def test_a_small_channel_is_the_jobs_own_and_a_large_one_costs_nothing_and_is_read_only(jobs: Jobs) -> None:
    told = jobs.told("write")
    done = dict.fromkeys(("change", "chmod", "add", "remove"), "done")
    closed = dict.fromkeys(("change", "chmod", "add", "remove"), "EROFS")
    assert told["small"] == {"links": 1, "size": 9, **done}
    assert told["large"] == {"links": 2, "size": LARGE, **closed}  # the object itself under a second name
    assert told["fast"] == {"links": 2, "size": 9, **closed}
    assert jobs.get("small/blob") == b"unchanged"
    head = jobs.s3.get_object(Bucket=jobs.bucket, Key="large/blob", Range="bytes=0-9")["Body"].read()
    assert head == b"\0" * 10


def test_checkpoints_come_down_and_go_up_while_the_job_runs(jobs: Jobs) -> None:
    jobs.wait_for_line("checkpoints", "saved")
    until(
        lambda: jobs.keys("ck/run/") == ["deep/kept", "deep/state", "epoch-1.txt"],
        "the checkpoints in S3, without the one that the script removed",
    )
    assert jobs.training("checkpoints")["TrainingJobStatus"] == "InProgress"
    assert jobs.get("ck/run/deep/state") == b"first"
    task = jobs.task(jobs.training("checkpoints"))
    (jobs.platform.data / "stage" / task.name / "checkpoints/go").touch()
    assert jobs.told("checkpoints") == {"old.txt": "old", "deep/kept": "kept"}
    assert jobs.get("ck/run/deep/state") == b"second"
    assert [key for key in jobs.keys("ck/run/") if key != "go"] == ["deep/kept", "deep/state"]
    kept = jobs.s3.head_object(Bucket=jobs.bucket, Key="ck/run/deep/kept")
    assert kept["Metadata"] == {"put": "before"}  # what came down unchanged does not go up again
    assert jobs.get("ck/run-2/other") == b"another run's"


@pytest.mark.parametrize(
    ("key", "prefix", "path"),
    [
        ("data/train/a/b.csv", "data/train", "a/b.csv"),
        ("data/train/a/b.csv", "data/train/", "a/b.csv"),
        ("data/train/a/b.csv", "data/tra", "train/a/b.csv"),
        ("data/train-2/c.csv", "data/train", "train-2/c.csv"),
        ("data/train.csv", "data/train.csv", "train.csv"),
        ("train.csv", "train.csv", "train.csv"),
        ("a/b", "", "a/b"),
        ("ab/c", "a", "ab/c"),
        ("p//x", "p/", "/x"),
    ],
)
def test_the_path_of_a_key(key: str, prefix: str, path: str) -> None:
    assert relative(key, prefix) == path


@given(st.text("ab/", min_size=1, max_size=8), st.text("ab/", max_size=8))
def test_keys_under_a_prefix_get_paths_of_their_own(prefix: str, rest: str) -> None:
    """The path ends as the key does, and two keys that lie below the prefix's folder never share one."""
    path = relative(prefix + rest, prefix)
    assert (prefix + rest).endswith(path) or (prefix + rest).rstrip("/").endswith(path)
    folder = prefix.rstrip("/") + "/"
    assert relative(f"{folder}{rest}x", folder) == f"{rest}x"
