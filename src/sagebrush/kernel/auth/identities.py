"""Who can call: the root key, and the sessions of roles."""

import hmac
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from sagebrush.kernel.auth.roles import Roles
from sagebrush.kernel.base import files, ids
from sagebrush.kernel.base.arns import Arn
from sagebrush.kernel.base.clock import Clock
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.base.settings import Settings
from sagebrush.kernel.state.record import Query, Record, Where
from sagebrush.kernel.state.records import AlreadyExistsError, Records

SESSION = "sts:Session"
GRANT = "sts:Grant"
_REMEMBERED = 86400.0  # seconds for which an expired session is still told apart from an unknown one
_PURGE_EVERY = 64  # sessions made between two purges


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller: one session of a role. `expires` is wall-clock time in epoch seconds; None: never."""

    access_key: str
    arn: str
    account: str
    user_id: str
    role_arn: str
    session: str
    expires: float | None = None

    @property
    def role_id(self) -> str:
        """The unique id (AROA…) of the role, which a role made anew under the same name does not share."""
        return self.user_id.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Credential:
    """What a caller signs with. The root key has no token."""

    identity: Identity
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)

    @property
    def access_key(self) -> str:
        """The access key id: AKIA… of the root key, ASIA… of a session."""
        return self.identity.access_key


class Identities:
    """The root key and every session, found by access key id.

    Sessions are on disk before they are handed out, and in memory from their first use on. Secrets are kept in
    the private part of records, which nothing shows. Expiry follows the wall clock, as real clients do.
    """

    def __init__(self, records: Records, settings: Settings, clock: Clock) -> None:
        self.account = settings.account
        self.roles = Roles(records, settings.account, clock)
        self.root = _root(settings, self.roles)
        self._records = records
        self._clock = clock
        self._lock = threading.Lock()
        self._made = 0
        self._known: dict[str, Credential] = {self.root.access_key: self.root}

    def find(self, access_key: str) -> Credential | None:
        """Return the credential of an access key id; None where it is unknown, or its role is gone."""
        credential = self._known.get(access_key)
        if credential is None:
            record = self._records.get(SESSION, self.account, "", access_key)
            if record is None or record.name != access_key:
                return None
            credential = self._known[access_key] = _credential(record)
        return credential if self.alive(credential.identity) else None

    def alive(self, identity: Identity) -> bool:
        """Whether the identity is of this account and its role still exists. Expiry is another question."""
        return identity.account == self.account and self.roles.id_of(identity.role_arn) == identity.role_id

    def acting(self, role_arn: str, session: str) -> Identity:
        """Return a session of a role for calls inside this process, which need no key.

        Raises AwsError NoSuchEntity where there is no such role.
        """
        return _session_of(self.roles.by_arn(role_arn), "", session, None)

    def now(self) -> float:
        """Return the wall-clock time that signatures and sessions are held against."""
        return self._clock.wall()

    def vend(self, role_arn: str, session: str, duration: float) -> Credential:
        """Return new temporary credentials of a role, on disk already, for `duration` seconds.

        Raises AwsError NoSuchEntity where there is no such role.
        """
        role = self.roles.by_arn(role_arn)
        now = self._clock.wall()
        key = ids.upper("ASIA")
        token = secrets.token_urlsafe(96)
        identity = _session_of(role, key, session, now + duration)
        credential = Credential(identity, ids.secret(), token)
        record = Record(
            kind=SESSION, account=self.account, region="", name=key,
            arn=f"arn:aws:sts::{self.account}:session/{key}", owner=role.arn, status="Active", created=now, modified=now,
            body={"Arn": identity.arn, "UserId": identity.user_id, "Session": session, "Expires": identity.expires},
            private={"secret": credential.secret, "token": token},
        )  # fmt: skip
        self._records.create(record)
        with self._lock:
            self._known[key] = credential
            self._made += 1
            purge = self._made % _PURGE_EVERY == 0
        if purge:
            self.purge()
        return credential

    def purge(self) -> None:
        """Forget the sessions that expired more than a day ago."""
        before = self._clock.wall() - _REMEMBERED
        query = Query(SESSION, self.account, "", where=(Where("$.Expires", "<", before),), limit=1000)
        while records := self._records.find(query).records:
            for record in records:
                self._records.delete(record)
                self._known.pop(record.name, None)

    def grant(self, task: str, role_arn: str, session: str) -> str:
        """Let a task fetch credentials of a role; return the token it authorises itself with. Safe to repeat."""
        now = self._clock.wall()
        record = Record(
            kind=GRANT, account=self.account, region="", name=task,
            arn=f"arn:aws:sts::{self.account}:grant/{task}", owner=role_arn, status="Active", created=now, modified=now,
            body={"RoleArn": role_arn, "Session": session}, private={"token": secrets.token_urlsafe(32)},
        )  # fmt: skip
        try:
            stored = self._records.create(record)
        except AlreadyExistsError:
            stored = self._records.get(GRANT, self.account, "", task) or record
        return str(stored.private["token"])

    def revoke(self, task: str) -> None:
        """End a task's grant; one that is gone already is fine. Sessions handed out live on until they expire."""
        record = self._records.get(GRANT, self.account, "", task)
        if record is not None:
            self._records.delete(record)

    def container_credentials(self, task: str, authorization: str, duration: float = 3600.0) -> dict[str, Any]:
        """Return what the container credentials endpoint serves to a task, made anew for each request.

        Raises AwsError 404 for a task without a grant or whose role is gone, 403 for a wrong token. Source: botocore's
        ContainerProvider and "Container credential provider" of the AWS SDKs reference.
        """
        record = self._records.get(GRANT, self.account, "", task)
        if record is None:
            raise AwsError("ResourceNotFoundException", f"No credentials for task {task}.", 404)
        if not hmac.compare_digest(record.private["token"].encode(), authorization.encode()):
            raise AwsError("AccessDeniedException", "The authorization token is invalid.", 403)
        credential = self.vend(record["RoleArn"], record["Session"], duration)
        return {
            "AccessKeyId": credential.access_key,
            "SecretAccessKey": credential.secret,
            "Token": credential.token,
            "Expiration": _iso(credential.identity.expires or 0.0),
            "RoleArn": record["RoleArn"],
            "AccountId": self.account,
        }


def _session_of(role: Record, key: str, session: str, expires: float | None) -> Identity:
    account = role.account
    return Identity(
        access_key=key,
        arn=str(Arn("sts", "", account, f"assumed-role/{role.name}/{session}")),
        account=account,
        user_id=f"{role['RoleId']}:{session}",
        role_arn=role.arn,
        session=session,
        expires=expires,
    )


def _credential(record: Record) -> Credential:
    identity = Identity(
        access_key=record.name,
        arn=record["Arn"],
        account=record.account,
        user_id=record["UserId"],
        role_arn=record.owner,
        session=record["Session"],
        expires=record["Expires"],
    )
    return Credential(identity, record.private["secret"], record.private["token"])


def _root(settings: Settings, roles: Roles) -> Credential:
    """Return the root key: as set, else as kept, else made now. It acts as a session of the execution role.

    Kept in `<data>/credentials.json`, in the form that the SDKs' `credential_process` reads.
    """
    path = settings.data / "credentials.json"
    if bool(settings.access_key) != bool(settings.secret_key):
        message = "SAGEBRUSH_ACCESS_KEY and SAGEBRUSH_SECRET_KEY must be set together"
        raise ValueError(message)
    kept = orjson.loads(path.read_bytes()) if path.exists() else {}
    key = settings.access_key or kept.get("AccessKeyId") or ids.upper("AKIA")
    secret = settings.secret_key or kept.get("SecretAccessKey") or ids.secret()
    wanted = {"Version": 1, "AccessKeyId": key, "SecretAccessKey": secret}
    if kept != wanted:
        files.write(path, orjson.dumps(wanted, option=orjson.OPT_INDENT_2))
    return Credential(_session_of(roles.ensure_execution_role(), key, "root", None), secret)


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
