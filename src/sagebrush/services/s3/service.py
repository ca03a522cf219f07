"""The service object of S3, and what each of its operations begins and ends with.

A call is admitted first: members that ask for what is not done here are refused by name, then the bucket must be
there and its owner the expected one. ACLs, object lock and redirects are refused as S3 refuses them for a bucket made
today with its defaults (ACLs disabled, no object lock). Keys of clients (SSE-C) are refused.

SSE-S3 and SSE-KMS encrypt Amazon's disks: a client that may read an object sees the same bytes with and without. What
a request asks for, by default `AES256`, is recorded and returned as on AWS; here the disk is yours, and so is its
encryption.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.grammar.call import Call, World
from sagebrush.kernel.grammar.service import Service
from sagebrush.kernel.state.keys import Bucket, Check, Entry, MissingBucketError, PartOf
from sagebrush.services.s3.errors import lacking, refusal

service = Service("s3")

KEY_LIMIT = 1024
STORAGE_CLASSES = frozenset(
    {"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"}
)
"""Classes whose objects are read like any other: billing alone, so recorded and returned. Archives are refused."""

_OWN_ACLS = frozenset({"private", "bucket-owner-full-control"})
_LOCK = "Bucket is missing Object Lock Configuration"

Refuse = Callable[[str, Any], AwsError | None]


def _no_acl(_: str, value: Any) -> AwsError | None:
    return None if value in _OWN_ACLS else refusal("AccessControlListNotSupported")


def _no_lock(_: str, value: Any) -> AwsError | None:
    return refusal("InvalidRequest", _LOCK) if value else None


def _not_here(member: str, value: Any) -> AwsError | None:
    return lacking(member) if value else None


def _only(*allowed: str) -> Refuse:
    return lambda member, value: None if value in allowed else lacking(f"{member}={value}")


def _recorded_class(_: str, value: Any) -> AwsError | None:
    return None if value in STORAGE_CLASSES else refusal("InvalidStorageClass", StorageClassRequested=value)


_GRANTS = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")
_LOCKS = ("Mode", "RetainUntilDate", "LegalHoldStatus", "EventHold", "EventHoldDurationDays", "EventHoldDurationYears")
_CLIENT_KEYS = ("SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5")
_REFUSED: dict[str, Refuse] = {
    "ACL": _no_acl,
    **dict.fromkeys(_GRANTS, _no_acl),
    **dict.fromkeys((f"ObjectLock{name}" for name in _LOCKS), _no_lock),
    **dict.fromkeys((*_CLIENT_KEYS, *(f"CopySource{name}" for name in _CLIENT_KEYS)), _not_here),
    "ServerSideEncryption": _only("AES256", "aws:kms", "aws:kms:dsse"),
    "WebsiteRedirectLocation": _not_here,
    "WriteOffsetBytes": lambda member, _: lacking(member),
    "ObjectLockEnabledForBucket": _not_here,
    "ObjectOwnership": _only("BucketOwnerEnforced"),
    "BucketNamespace": _only("global"),
    "StorageClass": _recorded_class,
}


def refuse_unserved(params: Mapping[str, Any]) -> None:
    """Raise AwsError for a member that would change the result and is not honoured."""
    for member in params.keys() & _REFUSED.keys():
        error = _REFUSED[member](member, params[member])
        if error is not None:
            raise error


def admit(call: Call) -> Bucket:
    """Return the bucket of a call that may go on. Raises AwsError."""
    refuse_unserved(call.params)
    check_key(call.params.get("Key"))
    return open_bucket(call.world, call.params["Bucket"], call.params.get("ExpectedBucketOwner"))


def open_bucket(world: World, name: str, expected_owner: str | None = None) -> Bucket:
    """Return a bucket. Raises AwsError where there is none, or its owner is another than expected."""
    bucket = world.keys.bucket(name)
    if bucket is None:
        raise refusal("NoSuchBucket", BucketName=name)
    if expected_owner not in {None, bucket.account}:
        raise refusal("AccessDenied")
    return bucket


def check_key(key: str | None) -> None:
    """Refuse a key that S3 would not take."""
    if key is None:
        return
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise refusal("InvalidArgument", "The key is not valid UTF-8.", ArgumentName="key") from None
    if size > KEY_LIMIT:
        raise refusal("KeyTooLongError", Size=size, MaxSizeAllowed=KEY_LIMIT)


def find(call: Call) -> Entry:
    """Return the object that a call names, in the only version that a bucket without versioning has."""
    bucket, key, version = call.params["Bucket"], call.params["Key"], call.params.get("VersionId")
    entry = call.world.keys.get(bucket, key)
    if version not in {None, "null"}:
        raise refusal("NoSuchVersion", Key=key, VersionId=version)
    if entry is None:
        raise refusal("NoSuchKey", Key=key)
    return entry


def owner(account: str) -> dict[str, str]:
    """Return an account as S3 names it: by a canonical user id of 64 hexadecimal digits."""
    return {"ID": hashlib.sha256(account.encode()).hexdigest()}


@contextmanager
def settling(world: World, blob: str) -> Iterator[None]:
    """Keep a blob if the block gives it a row; leave nothing of it if the block fails."""
    try:
        yield
    except BaseException:
        world.objects.discard([blob])
        raise
    world.objects.keep([blob])


def put(world: World, entry: Entry, check: Check, parts: Collection[PartOf] = ()) -> list[str]:
    """Have a key hold a finished blob; return the blobs to release. Raises AwsError, and what `check` does."""
    try:
        return world.keys.put(entry, check, parts)
    except MissingBucketError:
        raise refusal("NoSuchBucket", BucketName=entry.bucket) from None


def release(world: World, blobs: list[str]) -> None:
    """Discard blobs that no row points to any more."""
    if blobs:
        world.objects.discard(blobs)
        world.keys.trash.discarded(blobs)
