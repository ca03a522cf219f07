"""The store of records: what is stored is found, in order, once, and survives a crash."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagebrush.kernel.state.record import Event, Query, Record, Where
from sagebrush.kernel.state.records import SCHEMA, AlreadyExistsError, Records, StaleError
from sagebrush.kernel.state.sqlite import Database

ACCOUNT, REGION = "123456789012", "us-east-1"


def record(name: str, created: float = 1.0, status: str = "InProgress", **body: object) -> Record:
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name.lower()}"
    return Record("sagemaker:TrainingJob", ACCOUNT, REGION, name, arn, status, created, created, dict(body))


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    database = Database(tmp_path / "state.db", SCHEMA)
    yield Records(database)
    database.close()


def everything(records: Records, query: Query) -> list[str]:
    names: list[str] = []
    while True:
        page = records.find(query)
        names += [found.name for found in page.records]
        if page.next is None:
            return names
        query = replace(query, after=page.next)


def test_a_name_is_taken_whatever_its_case(records: Records) -> None:
    records.create(record("Job"))
    with pytest.raises(AlreadyExistsError):
        records.create(record("job"))
    found = records.get("sagemaker:TrainingJob", ACCOUNT, REGION, "JOB")
    assert found is not None
    assert found.name == "Job"


def test_a_save_of_what_has_changed_meanwhile_is_refused(records: Records) -> None:
    first = records.create(record("job"))
    records.save(first.having(A=1))
    with pytest.raises(StaleError):
        records.save(first.having(A=2))
    assert records.by_arn(first.arn) == replace(first, version=2, body={"A": 1})


def test_concurrent_changes_are_all_kept(records: Records) -> None:
    job = records.create(record("job", n=0))

    def add() -> None:
        for _ in range(50):
            records.change(job, lambda current: current.having(n=current["n"] + 1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = records.by_arn(job.arn)
    assert found is not None
    assert found["n"] == 200


def test_an_event_is_published_with_its_change_or_not_at_all(records: Records) -> None:
    event = Event("aws.sagemaker", "SageMaker Training Job State Change", {"TrainingJobStatus": "InProgress"}, ("a",))
    job = records.create(record("job"), events=[event])
    with pytest.raises(StaleError):
        records.save(replace(job, version=7), [event])
    assert [published.event for published in records.events()] == [event]


def test_what_changed_is_told_only_after_the_commit(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db", SCHEMA)
    seen: list[Record | None] = []
    other = Records(database)

    def look(changed: Record) -> None:
        thread = threading.Thread(target=lambda: seen.append(other.by_arn(changed.arn)))
        thread.start()
        thread.join()

    job = Records(database, look).create(record("job"))
    assert seen == [job]
    database.close()


def test_tags_beyond_the_limit_change_nothing(records: Records) -> None:
    job = records.create(record("job"), {"a": "1"})
    with pytest.raises(ValueError, match="more than 50"):
        records.tag(job.arn, {str(number): "" for number in range(50)})
    assert records.tags(job.arn) == {"a": "1"}
    records.untag(job.arn, ["a", "absent"])
    assert records.tags(job.arn) == {}


def test_a_deleted_record_takes_its_tags_along(records: Records) -> None:
    job = records.create(record("job"), {"a": "1"})
    records.delete(job)
    assert records.by_arn(job.arn) is None
    assert records.tags(records.create(record("job")).arn) == {}


def test_a_path_that_is_no_member_name_never_reaches_the_database(records: Records) -> None:
    with pytest.raises(ValueError, match="no such field"):
        records.find(Query("k", ACCOUNT, REGION, (Where("$.a') --", "=", 1),)))


def test_a_new_due_time_is_seen(records: Records) -> None:
    late = records.create(replace(record("late"), due=20.0))
    soon = records.create(replace(record("soon"), due=10.0))
    assert records.due(15.0) == [soon.arn]
    assert records.next_due() == 10.0
    assert records.next_due(beside={soon.arn}) == 20.0
    records.save(replace(late, due=None))
    records.save(replace(soon, due=None))
    assert records.next_due() is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 5), max_size=25),
    limit=st.integers(1, 7),
    descending=st.booleans(),
    sort=st.sampled_from(["created", "name", "status"]),
    after=st.none() | st.integers(0, 5),
)
def test_pages_hold_each_record_once_and_in_order(
    tmp_path: Path, times: list[int], limit: int, descending: bool, sort: str, after: int | None
) -> None:
    database = Database(tmp_path / f"{os.urandom(8).hex()}.db", SCHEMA)
    records = Records(database)
    made = [record(f"job-{index:02}", float(time), "ABC"[time % 3]) for index, time in enumerate(times)]
    for job in made:
        records.create(job)
    where = () if after is None else (Where("created", ">", float(after)),)
    wanted = [job for job in made if after is None or job.created > after]
    order = sorted(wanted, key=lambda job: (getattr(job, sort), made.index(job)), reverse=descending)
    query = Query("sagemaker:TrainingJob", ACCOUNT, REGION, where, sort, descending, limit)
    assert everything(records, query) == [job.name for job in order]
    database.close()


def test_pages_neither_skip_nor_repeat_when_records_come_and_go(records: Records) -> None:
    for number in range(6):
        records.create(record(f"job-{number}", float(number)))
    first = records.find(Query("sagemaker:TrainingJob", ACCOUNT, REGION, limit=3))
    gone = records.get("sagemaker:TrainingJob", ACCOUNT, REGION, "job-1")
    assert gone is not None
    records.delete(gone)
    records.create(record("job-new", 0.5))
    rest = everything(records, Query("sagemaker:TrainingJob", ACCOUNT, REGION, limit=3, after=first.next))
    assert rest == ["job-3", "job-4", "job-5"]


WRITER = """
import sys
from pathlib import Path
from sagebrush.kernel.state.record import Record
from sagebrush.kernel.state.records import SCHEMA, Records
from sagebrush.kernel.state.sqlite import Database

records = Records(Database(Path(sys.argv[1]), SCHEMA))
for number in range(1_000_000):
    records.create(Record("k", "1", "r", f"n{number}", f"arn:{number}", "", number, number, {"n": number}))
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    last = -1
    for line in writer.stdout:
        last = int(line)
        if last == 300:
            writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    database = Database(path, SCHEMA)
    found = everything(Records(database), Query("k", "1", "r", limit=500))
    assert found[: last + 1] == [f"n{number}" for number in range(last + 1)]
    database.close()
