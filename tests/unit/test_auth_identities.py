"""The root key, the sessions of roles, and what tasks are given."""

import json
import logging
import stat
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import ContainerProvider
from tests.unit.signing import SetClock, accepted, identities, signed

from sagebrush.kernel.auth.identities import GRANT, SESSION, Identities
from sagebrush.kernel.auth.policy import authorise, decide
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.base.settings import Settings
from sagebrush.kernel.state.records import SCHEMA, Records
from sagebrush.kernel.state.sqlite import Database

ROLE = {
    "RoleName": "Trainer",
    "AssumeRolePolicyDocument": json.dumps({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }),
}  # fmt: skip


@pytest.fixture
def known(tmp_path: Path) -> Identities:
    return identities(tmp_path)


def test_the_root_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first, again = identities(tmp_path).root, identities(tmp_path).root
    assert first == again
    assert first.access_key.startswith("AKIA")
    kept = tmp_path / "credentials.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["SecretAccessKey"] == first.secret


def test_the_root_key_acts_as_a_session_of_the_ready_made_role(known: Identities) -> None:
    identity = known.root.identity
    assert identity.arn == "arn:aws:sts::123456789012:assumed-role/AmazonSageMaker-ExecutionRole/root"
    assert identity.role_arn == "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
    assert identity.user_id == f"{known.roles.by_arn(identity.role_arn)['RoleId']}:root"


def test_a_given_root_key_is_taken_and_kept(tmp_path: Path) -> None:
    given = identities(tmp_path, access_key="AKIAMINE", secret_key="mine").root
    assert (given.access_key, given.secret) == ("AKIAMINE", "mine")
    assert identities(tmp_path).root == given
    with pytest.raises(ValueError, match="must be set together"):
        identities(tmp_path, access_key="AKIAMINE")


def test_sessions_outlive_the_process_and_end_in_time(tmp_path: Path) -> None:
    clock = SetClock()
    before = identities(tmp_path, clock)
    session = before.vend(before.roles.execution_arn, "job", 900)
    assert session.access_key.startswith("ASIA")
    after = identities(tmp_path, clock)
    assert after.find(session.access_key) == session
    clock.time += 901
    assert decide(session.identity, "s3:GetObject", "*", after).outcome == "explicitDeny"
    assert after.find(session.access_key) == session  # still known, so that it can be told to have expired
    clock.time += 86400
    after.purge()
    assert after.find(session.access_key) is None
    assert identities(tmp_path, clock).find(session.access_key) is None


def test_a_key_id_is_case_sensitive(known: Identities) -> None:
    session = known.vend(known.roles.execution_arn, "job", 900)
    fresh = identities(known_folder(known))
    assert fresh.find(session.access_key.lower()) is None


def known_folder(known: Identities) -> Path:
    return known._records._db.path.parent


def test_secrets_are_in_no_text(known: Identities, caplog: pytest.LogCaptureFixture) -> None:
    session = known.vend(known.roles.execution_arn, "job", 900)
    request = signed(session)
    caplog.clear()  # of what the client logs
    caplog.set_level(logging.DEBUG)
    known = identities(known_folder(known))
    proof = accepted(request, known)
    with pytest.raises(AwsError) as caught:
        known.container_credentials("task", "wrong")
    shown = f"{known.root!r} {session!r} {proof!r} {caught.value!r} {caplog.text}"
    for secret in (known.root.secret, session.secret, session.token):
        assert secret not in shown
    assert str(proof.key) not in shown


def test_a_role_takes_its_sessions_with_it(known: Identities) -> None:
    role = known.roles.create(ROLE, {})
    session = known.vend(role.arn, "job", 900)
    inside = known.acting(role.arn, "job")
    assert accepted(signed(session), known).identity.role_arn == role.arn
    authorise(inside, "s3:GetObject", "*", known)
    known.roles.delete("Trainer")
    for _ in range(2):
        with pytest.raises(AwsError, match="UnrecognizedClientException"):
            accepted(signed(session), known)
        with pytest.raises(AwsError, match=r"AccessDeniedException.*not authorized to perform: s3:GetObject"):
            authorise(inside, "s3:GetObject", "*", known)
        known.roles.create({**ROLE, "RoleName": "Trainer"}, {})  # a new role of that name is another role
        known.roles.delete("Trainer")


def test_another_account_is_denied(known: Identities, tmp_path: Path) -> None:
    foreign = identities(tmp_path / "other", account="210987654321").root.identity
    for protocol, code in (("json", "AccessDeniedException"), ("query", "AccessDenied"), ("rest-xml", "AccessDenied")):
        with pytest.raises(AwsError) as caught:
            authorise(foreign, "s3:GetObject", "arn:aws:s3:::b/k", known, protocol)
        assert caught.value.code == code
        assert "arn:aws:s3:::b/k" in caught.value.message


def test_a_task_fetches_its_roles_credentials_with_its_own_token(known: Identities) -> None:
    role = known.roles.create(ROLE, {})
    token = known.grant("task-1", role.arn, "SageMaker")
    assert known.grant("task-1", role.arn, "SageMaker") == token  # safe to repeat
    given = known.container_credentials("task-1", token)
    assert given["RoleArn"] == role.arn
    session = known.find(given["AccessKeyId"])
    assert session is not None
    assert (session.secret, session.token) == (given["SecretAccessKey"], given["Token"])
    assert session.identity.arn == "arn:aws:sts::123456789012:assumed-role/Trainer/SageMaker"
    assert given["Expiration"].endswith("Z")
    assert identities(known_folder(known)).container_credentials("task-1", token)["RoleArn"] == role.arn


def test_botocore_reads_what_a_task_is_given(known: Identities) -> None:
    token = known.grant("task-1", known.roles.execution_arn, "SageMaker")

    class Fetcher:
        def retrieve_full_uri(self, uri: str, headers: dict[str, str]) -> object:
            return known.container_credentials(uri.rpartition("/")[2], headers["Authorization"])

    uri = "http://127.0.0.1:4566/_sagebrush/credentials/task-1"
    names = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": uri, "AWS_CONTAINER_AUTHORIZATION_TOKEN": token}
    provider: Any = ContainerProvider(environ=names, fetcher=Fetcher())  # type: ignore[arg-type]
    given = provider.load()
    credential = known.find(given.access_key)
    assert credential is not None
    assert (credential.secret, credential.token) == (given.secret_key, given.token)
    assert not given.refresh_needed()


def test_a_task_gets_nothing_with_another_tasks_token(known: Identities) -> None:
    role = known.roles.create(ROLE, {})
    known.grant("task-1", role.arn, "one")
    other = known.grant("task-2", role.arn, "two")
    for authorization in ("", other, "ü"):
        with pytest.raises(AwsError) as caught:
            known.container_credentials("task-1", authorization)
        assert caught.value.status == 403
    known.revoke("task-2")
    known.revoke("task-2")
    with pytest.raises(AwsError) as caught:
        known.container_credentials("task-2", other)
    assert caught.value.status == 404


def test_records_show_no_secret(tmp_path: Path) -> None:
    records = Records(Database(tmp_path / "state.db", SCHEMA))
    known = Identities(records, Settings(data=tmp_path), SetClock())
    session = known.vend(known.roles.execution_arn, "job", 900)
    token = known.grant("task", known.roles.execution_arn, "job")
    for kind, name, secret in ((SESSION, session.access_key, session.secret), (GRANT, "task", token)):
        record = records.get(kind, "123456789012", "", name)
        assert record is not None
        assert secret not in repr(record.body)
