"""Buckets, as boto3 sees them."""

from typing import Any

import pytest
from tests.conftest import Platform
from tests.services.s3_help import new_bucket, refused


@pytest.fixture(scope="module")
def s3(platform: Platform) -> Any:
    return platform.client("s3")


@pytest.fixture(scope="module")
def abroad(platform: Platform) -> Any:
    return platform.client("s3", region_name="eu-west-1")


def test_a_new_bucket_is_listed_found_and_in_its_region(s3: Any) -> None:
    name = new_bucket(s3)
    assert name in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert s3.head_bucket(Bucket=name)["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None


def test_ones_own_bucket_can_be_made_again_in_us_east_1(s3: Any) -> None:
    name = new_bucket(s3)
    s3.put_object(Bucket=name, Key="kept", Body=b"x")
    s3.create_bucket(Bucket=name)
    assert s3.head_object(Bucket=name, Key="kept")["ContentLength"] == 1


def test_elsewhere_ones_own_bucket_cannot_be_made_again(abroad: Any) -> None:
    where = {"LocationConstraint": "eu-west-1"}
    abroad.create_bucket(Bucket="made-twice-abroad", CreateBucketConfiguration=where)
    with refused("BucketAlreadyOwnedByYou", "you already own it"):
        abroad.create_bucket(Bucket="made-twice-abroad", CreateBucketConfiguration=where)
    assert abroad.get_bucket_location(Bucket="made-twice-abroad")["LocationConstraint"] == "eu-west-1"


def test_a_bucket_is_made_where_its_endpoint_is(s3: Any, abroad: Any) -> None:
    with refused("IllegalLocationConstraintException", "The unspecified location constraint"):
        abroad.create_bucket(Bucket="no-constraint")
    with refused("IllegalLocationConstraintException", "The eu-north-1 location constraint"):
        abroad.create_bucket(Bucket="other-constraint", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    s3.create_bucket(Bucket="made-from-home", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    assert s3.head_bucket(Bucket="made-from-home")["BucketRegion"] == "eu-north-1"


@pytest.mark.parametrize(
    "name",
    ["ab", "Upper", "under_score", "a..b", "192.168.5.4", "xn--name", "name-s3alias", "-edge", "edge-", "a" * 64],
)
def test_a_name_against_the_rules_is_refused(platform: Platform, name: str) -> None:
    s3 = platform.client("s3")
    s3.meta.events.unregister("before-parameter-build.s3", _validate_bucket_name())
    with refused("InvalidBucketName"):
        s3.create_bucket(Bucket=name)


def _validate_bucket_name() -> Any:
    from botocore.handlers import validate_bucket_name

    return validate_bucket_name


def test_a_bucket_that_is_not_there(s3: Any) -> None:
    with refused("404", "Not Found"):
        s3.head_bucket(Bucket="nobodys-bucket")
    for method in ("list_objects_v2", "list_objects", "list_object_versions", "delete_bucket", "get_bucket_location"):
        with refused("NoSuchBucket", "The specified bucket does not exist"):
            getattr(s3, method)(Bucket="nobodys-bucket")
    with refused("NoSuchBucket"):
        s3.put_object(Bucket="nobodys-bucket", Key="key", Body=b"x")


def test_only_an_empty_bucket_is_deleted(s3: Any) -> None:
    name = new_bucket(s3)
    s3.put_object(Bucket=name, Key="key")
    with refused("BucketNotEmpty"):
        s3.delete_bucket(Bucket=name)
    s3.delete_object(Bucket=name, Key="key")
    s3.delete_bucket(Bucket=name)
    with refused("NoSuchBucket"):
        s3.list_objects_v2(Bucket=name)


def test_a_bucket_with_an_upload_under_way_is_deleted_with_it(s3: Any) -> None:
    name = new_bucket(s3)
    upload = s3.create_multipart_upload(Bucket=name, Key="key")["UploadId"]
    s3.upload_part(Bucket=name, Key="key", UploadId=upload, PartNumber=1, Body=b"x")
    s3.delete_bucket(Bucket=name)
    s3.create_bucket(Bucket=name)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=name)


def test_another_owner_than_expected_is_refused(s3: Any) -> None:
    name = new_bucket(s3)
    s3.list_objects_v2(Bucket=name, ExpectedBucketOwner="123456789012")
    with refused("AccessDenied"):
        s3.list_objects_v2(Bucket=name, ExpectedBucketOwner="210987654321")
    with refused("403", "Forbidden"):
        s3.head_bucket(Bucket=name, ExpectedBucketOwner="210987654321")


def test_buckets_are_listed_in_pages_by_name_prefix_and_region(s3: Any) -> None:
    names = [f"paged-{number}" for number in range(5)]
    for name in names:
        s3.create_bucket(Bucket=name)
    pages = list(s3.get_paginator("list_buckets").paginate(Prefix="paged-", PaginationConfig={"PageSize": 2}))
    assert [len(page["Buckets"]) for page in pages] == [2, 2, 1]
    assert [bucket["Name"] for page in pages for bucket in page["Buckets"]] == names
    assert s3.list_buckets(Prefix="paged-", BucketRegion="eu-west-1")["Buckets"] == []
    with refused("InvalidArgument"):
        s3.list_buckets(ContinuationToken="é?")


def test_tags_of_a_bucket(s3: Any) -> None:
    name = new_bucket(s3)
    with refused("NoSuchTagSet"):
        s3.get_bucket_tagging(Bucket=name)
    tags = [{"Key": "team", "Value": "forecasting"}, {"Key": "empty", "Value": ""}]
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=name)
    with refused("NoSuchTagSet"):
        s3.get_bucket_tagging(Bucket=name)
    s3.create_bucket(Bucket=f"{name}-t", CreateBucketConfiguration={"Tags": tags})
    assert s3.get_bucket_tagging(Bucket=f"{name}-t")["TagSet"] == tags


def test_what_a_bucket_with_defaults_says_of_itself(s3: Any) -> None:
    name = new_bucket(s3)
    assert "Status" not in s3.get_bucket_versioning(Bucket=name)
    acl = s3.get_bucket_acl(Bucket=name)
    assert [grant["Permission"] for grant in acl["Grants"]] == ["FULL_CONTROL"]
    assert acl["Grants"][0]["Grantee"]["ID"] == acl["Owner"]["ID"] == s3.list_buckets()["Owner"]["ID"]


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("ACL", "public-read", "AccessControlListNotSupported"),
        ("GrantRead", "id=abc", "AccessControlListNotSupported"),
        ("ObjectLockEnabledForBucket", True, "NotImplemented"),
        ("ObjectOwnership", "ObjectWriter", "NotImplemented"),
    ],
)
def test_what_a_bucket_cannot_be_is_refused_by_name(s3: Any, member: str, value: Any, code: str) -> None:
    with refused(code, member if code == "NotImplemented" else ""):
        s3.create_bucket(Bucket="never-made", **{member: value})
    with refused("404"):
        s3.head_bucket(Bucket="never-made")


def test_an_operation_that_is_not_there_says_so(s3: Any) -> None:
    with refused("NotImplemented", "PutBucketReplication"):
        s3.put_bucket_replication(Bucket=new_bucket(s3), ReplicationConfiguration={"Role": "r", "Rules": []})
