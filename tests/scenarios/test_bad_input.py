"""Wrong requests, by the thousand, to every operation there is: never a failure of the platform, nothing half-written.

`SAGEBRUSH_BAD_INPUTS` is how many are sent, `SAGEBRUSH_BAD_SEED` which ones: a failure names the number of its request.
"""

import os
import re
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Platform
from tests.scenarios.bad_answers import problem
from tests.scenarios.bad_known import furnish
from tests.scenarios.bad_requests import drafts, operations
from tests.scenarios.raw_requests import Answer, Connection, Draft, Signer

COUNT = int(os.environ.get("SAGEBRUSH_BAD_INPUTS", "6000"))
SEED = os.environ.get("SAGEBRUSH_BAD_SEED", "1")
REFURNISH = 250
"""Requests after which what a wrong request may have deleted is put back."""


def send(draft: Draft, connection: Connection, signer: Signer) -> Answer | str:
    """Sign and send a draft; return the answer, or what is wrong where there is none."""
    signer.sign(draft)
    try:
        return connection.send(draft.render(), draft.method, last=draft.ends)
    except (TimeoutError, HTTPException) as error:
        return f"no answer: {error!r}"


def test_no_wrong_request_is_the_platforms_fault(bad_platform: Platform) -> None:
    keys = bad_platform.keys
    host = bad_platform.endpoint.removeprefix("http://")
    signer = Signer(keys["aws_access_key_id"], keys["aws_secret_access_key"], host)
    connection = Connection(bad_platform.endpoint)
    known = dict(furnish(bad_platform))
    wrong: list[str] = []
    statuses: dict[int, int] = {}
    for number, draft in enumerate(drafts(SEED, COUNT, known)):
        answer = send(draft, connection, signer)
        found = answer if isinstance(answer, str) else problem(draft, answer)
        if isinstance(answer, Answer):
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
        if found:
            wrong.append(f"#{number} {draft.operation.name} {draft.mutations}: {found}\n{draft.render()[:1500]!r}\n  -> {answer!r:.800}")
        if number % REFURNISH == REFURNISH - 1:
            known.update(furnish(bad_platform))
    connection.close()
    print(sorted(statuses.items()))
    print(bad_platform.log()[-int(os.environ.get('LOG','0')):])
    assert not wrong, f"{len(wrong)} of {COUNT}:\n" + "\n".join(wrong[:int(os.environ.get('SHOW','10'))])


@pytest.fixture(scope="module")
def bad_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that no other test sees."""
    running = Platform(tmp_path_factory.mktemp("bad") / "data").start()
    yield running
    running.stop()
