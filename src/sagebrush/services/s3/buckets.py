"""Buckets: create, head, list, delete, locate, tag; and what there is to say of a bucket made with S3's defaults."""

import base64
import ipaddress
import re
from itertools import islice

from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.state.keys import Bucket, NotEmptyError
from sagebrush.services.s3.documents import check_document
from sagebrush.services.s3.errors import lacking, refusal
from sagebrush.services.s3.headers import BUCKET_TAGS, document_tags, tag_set
from sagebrush.services.s3.service import admit, owner, refuse_unserved, release, service

HOME = "us-east-1"
"""The region that needs no location constraint, and answers the creation of one's own bucket again with success."""

_LIST_LIMIT = 10000
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]", re.ASCII)
_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_DIRECTORY = ("Location", "Bucket")


@service.operation
def create_bucket(call: Call) -> Result:
    """Make a bucket of the caller's."""
    refuse_unserved(call.params)
    name = call.params["Bucket"]
    if not valid_name(name):
        raise refusal("InvalidBucketName", BucketName=name)
    wanted = call.params.get("CreateBucketConfiguration") or {}
    for member in _DIRECTORY:
        if wanted.get(member):
            raise lacking(f"CreateBucketConfiguration.{member}")
    region = _region(call.region, wanted.get("LocationConstraint"))
    tags = document_tags(wanted.get("Tags", ()), BUCKET_TAGS)
    if not call.world.keys.create_bucket(Bucket(name, call.account, region, int(call.now), tags)):
        there = call.world.keys.bucket(name)
        if there is None or there.account != call.account:
            raise refusal("BucketAlreadyExists", BucketName=name)
        if call.region != HOME:
            raise refusal("BucketAlreadyOwnedByYou", BucketName=name)
    return {"Location": f"/{name}" if call.region == HOME else f"http://{name}.s3.amazonaws.com/"}


def valid_name(name: str) -> bool:
    """Tell whether a name keeps the rules of general purpose buckets."""
    if not _NAME.fullmatch(name) or ".." in name or name.startswith(_PREFIXES) or name.endswith(_SUFFIXES):
        return False
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return True
    return False


def _region(called: str, constraint: str | None) -> str:
    """Return the region that a bucket is made in. Raises AwsError."""
    wanted = "eu-west-1" if constraint == "EU" else constraint
    if called == HOME:
        if wanted == HOME:
            raise refusal("InvalidLocationConstraint", LocationConstraint=constraint)
        return wanted or HOME
    if wanted != called:
        text = f"The {constraint or 'unspecified'} location constraint is incompatible for the region specific endpoint this request was sent to."
        raise refusal("IllegalLocationConstraintException", text)
    return called


@service.operation
def head_bucket(call: Call) -> Result:
    """Tell whether a bucket is there, and in which region."""
    return {"BucketRegion": admit(call).region}


@service.operation
def list_buckets(call: Call) -> Result:
    """List the caller's buckets by name."""
    params = call.params
    limit = params.get("MaxBuckets", _LIST_LIMIT)
    prefix, region = params.get("Prefix", ""), params.get("BucketRegion")
    after = _after(params.get("ContinuationToken"))
    found = (
        bucket
        for bucket in call.world.keys.buckets(call.account, after)
        if bucket.name.startswith(prefix) and region in {None, bucket.region}
    )
    page = list(islice(found, limit + 1))
    result: Result = {
        "Buckets": [
            {"Name": bucket.name, "CreationDate": bucket.created, "BucketRegion": bucket.region}
            for bucket in page[:limit]
        ],
        "Owner": owner(call.account),
    }
    if params.get("Prefix"):
        result["Prefix"] = prefix
    if len(page) > limit:
        result["ContinuationToken"] = base64.urlsafe_b64encode(page[limit - 1].name.encode()).decode()
    return result


def _after(token: str | None) -> str:
    try:
        return base64.b64decode(token or "", altchars=b"-_", validate=True).decode()
    except ValueError:
        raise refusal("InvalidArgument", "The continuation token provided is incorrect") from None


@service.operation
def delete_bucket(call: Call) -> Result:
    """Remove an empty bucket."""
    bucket = admit(call)
    try:
        release(call.world, call.world.keys.delete_bucket(bucket.name))
    except NotEmptyError:
        raise refusal("BucketNotEmpty", BucketName=bucket.name) from None
    return {}


@service.operation
def get_bucket_location(call: Call) -> Result:
    """Tell a bucket's region; S3 says nothing for the oldest."""
    region = admit(call).region
    return {} if region == HOME else {"LocationConstraint": region}


@service.operation
def get_bucket_versioning(call: Call) -> Result:
    """Say nothing, as S3 does of a bucket whose versioning was never set."""
    admit(call)
    return {}


@service.operation
def get_bucket_acl(call: Call) -> Result:
    """Tell the one grant that there is where ACLs are disabled: the owner's."""
    holder = owner(admit(call).account)
    return {"Owner": holder, "Grants": [{"Grantee": {**holder, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]}


@service.operation
def put_bucket_tagging(call: Call) -> Result:
    """Replace a bucket's tags."""
    check_document(call)
    bucket = admit(call)
    call.world.keys.tag_bucket(bucket.name, document_tags(call.params["Tagging"]["TagSet"], BUCKET_TAGS))
    return {}


@service.operation
def get_bucket_tagging(call: Call) -> Result:
    """Return a bucket's tags; none is an error."""
    bucket = admit(call)
    if not bucket.tags:
        raise refusal("NoSuchTagSet", BucketName=bucket.name)
    return {"TagSet": tag_set(bucket.tags)}


@service.operation
def delete_bucket_tagging(call: Call) -> Result:
    """Drop a bucket's tags."""
    call.world.keys.tag_bucket(admit(call).name, "")
    return {}
