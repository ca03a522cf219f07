"""IAM roles: whom a session acts as. `services/iam` is their API; nothing else writes them."""

import threading
from typing import Any

import orjson

from sagebrush.kernel.base import ids
from sagebrush.kernel.base.arns import Arn
from sagebrush.kernel.base.clock import Clock
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.state.record import Page, Query, Record, Where
from sagebrush.kernel.state.records import AlreadyExistsError, Records

ROLE = "iam:Role"
EXECUTION_ROLE = "AmazonSageMaker-ExecutionRole"  # its name and path are what the SageMaker SDKs look for
_HIGHEST = "\U0010ffff"
_SERVICES = ("sagemaker", "lambda", "glue", "bedrock", "events", "scheduler", "states")


class Roles:
    """The roles of the account, the ready-made execution role among them from the start."""

    def __init__(self, records: Records, account: str, clock: Clock) -> None:
        self._records = records
        self._account = account
        self._clock = clock
        self._lock = threading.Lock()
        self._ids: dict[str, str] = {}

    @property
    def execution_arn(self) -> str:
        """ARN of the ready-made execution role."""
        return self._arn("/service-role/", EXECUTION_ROLE)

    def ensure_execution_role(self) -> Record:
        """Return the execution role, made if it is not there yet."""
        found = self._records.by_arn(self.execution_arn)
        if found is not None:
            return found
        members = {
            "Path": "/service-role/",
            "RoleName": EXECUTION_ROLE,
            "AssumeRolePolicyDocument": _execution_trust(self._account),
            "Description": "Ready-made execution role of this platform.",
            "MaxSessionDuration": 43200,
        }
        return self.create(members, {})

    def create(self, members: dict[str, Any], tags: dict[str, str]) -> Record:
        """Store a role made of CreateRole's members. Raises AwsError EntityAlreadyExists, whatever the name's case."""
        now = self._clock.now()
        name, path = members["RoleName"], members.get("Path", "/")
        arn = self._arn(path, name)
        body = {
            "MaxSessionDuration": 3600, **members,
            "Path": path, "RoleId": ids.upper("AROA"), "Arn": arn, "CreateDate": now,
        }  # fmt: skip
        record = Record(
            kind=ROLE, account=self._account, region="", name=name, arn=arn, status="Active",
            created=now, modified=now, body=body,
        )  # fmt: skip
        try:
            return self._records.create(record, tags)
        except AlreadyExistsError as error:
            message = f"Role with name {name} already exists."
            raise AwsError("EntityAlreadyExists", message, 409) from error

    def get(self, name: str) -> Record:
        """Return the role of that name. Raises AwsError NoSuchEntity."""
        record = self._records.get(ROLE, self._account, "", name)
        if record is None:
            raise AwsError("NoSuchEntity", f"The role with name {name} cannot be found.", 404)
        return record

    def by_arn(self, arn: str) -> Record:
        """Return the role with that ARN. Raises AwsError NoSuchEntity."""
        record = self._records.by_arn(arn)
        if record is None or record.kind != ROLE:
            raise AwsError("NoSuchEntity", f"The role with ARN {arn} cannot be found.", 404)
        return record

    def id_of(self, arn: str) -> str | None:
        """Return the unique id (AROA…) of the role with that ARN; None where there is none. Every call asks this."""
        found = self._ids.get(arn)
        if found is None:
            with self._lock:
                record = self._records.by_arn(arn)
                if record is not None and record.kind == ROLE:
                    found = self._ids[arn] = str(record["RoleId"])
        return found

    def update(self, name: str, **members: Any) -> None:
        """Set members of a role; those given as None stay. Raises AwsError NoSuchEntity."""
        given = {member: value for member, value in members.items() if value is not None}
        self._records.change(self.get(name), lambda role: role.having(**given))

    def delete(self, name: str) -> None:
        """Remove a role: its sessions end with it. Raises AwsError NoSuchEntity, or UnmodifiableEntity for our own."""
        role = self.get(name)
        if role.arn == self.execution_arn:
            message = f"Cannot perform the operation on the protected role '{role.name}' - the root key acts as it."
            raise AwsError("UnmodifiableEntity", message)
        with self._lock:
            self._records.delete(role)
            self._ids.pop(role.arn, None)

    def list(self, prefix: str, limit: int, after: tuple[Any, int] | None) -> Page:
        """Return roles by name: those whose path begins with `prefix`."""
        # The last text below `prefix`, and the last that begins with it: no path holds the highest code point.
        where = () if prefix == "/" else (
            Where("$.Path", ">", f"{prefix[:-1]}{chr(ord(prefix[-1]) - 1)}{_HIGHEST}"),
            Where("$.Path", "<", f"{prefix}{_HIGHEST}"),
        )  # fmt: skip
        return self._records.find(Query(ROLE, self._account, "", where, sort="name", limit=limit, after=after))

    def _arn(self, path: str, name: str) -> str:
        return str(Arn("iam", "", self._account, f"role{path}{name}"))


def _execution_trust(account: str) -> str:
    services = {"Service": [f"{service}.amazonaws.com" for service in _SERVICES]}
    principals = {**services, "AWS": f"arn:aws:iam::{account}:root"}
    statement = {"Effect": "Allow", "Principal": principals, "Action": "sts:AssumeRole"}
    return orjson.dumps({"Version": "2012-10-17", "Statement": [statement]}).decode()
