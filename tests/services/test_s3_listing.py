"""Listings, as boto3 sees them: order, pages, prefixes, delimiters."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import Platform
from tests.services.s3_help import new_bucket, refused

KEYS = st.text(st.sampled_from("ab/-é%+ ~\U0001f600"), min_size=1, max_size=6).filter(
    lambda key: key not in {".", ".."}
)


@pytest.fixture(scope="module")
def s3(platform: Platform) -> Any:
    return platform.client("s3")


@pytest.fixture(scope="module")
def tree(s3: Any) -> str:
    bucket = new_bucket(s3, "tree")
    for key in ("a", "b/1", "b/2", "b/c/3", "d", "e/4", "f"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def items(page: Any) -> list[str]:
    contents = [item["Key"] for item in page.get("Contents", page.get("Versions", ()))]
    return sorted([*contents, *(item["Prefix"] for item in page.get("CommonPrefixes", ()))], key=str.encode)


def expected(keys: set[str], prefix: str, delimiter: str) -> list[str]:
    """What a listing of all pages shows, by looking at every key."""
    found = set()
    for key in keys:
        if key.startswith(prefix):
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            found.add(key if cut < 0 else key[: cut + len(delimiter)])
    return sorted(found, key=str.encode)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(KEYS, max_size=12), KEYS | st.just(""), st.sampled_from(["", "/", "-", "a/"]), st.integers(1, 4))
def test_all_pages_together_are_what_there_is(
    platform: Platform, keys: set[str], prefix: str, delimiter: str, size: int
) -> None:
    s3 = platform.client("s3")
    bucket = new_bucket(s3, "random")
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    how = {"Bucket": bucket, "Prefix": prefix, "Delimiter": delimiter, "PaginationConfig": {"PageSize": size}}
    for operation in ("list_objects_v2", "list_objects", "list_object_versions"):
        pages = list(s3.get_paginator(operation).paginate(**how))
        assert [item for page in pages for item in items(page)] == expected(keys, prefix, delimiter), operation
        assert all(len(items(page)) == size for page in pages[:-1])
        assert [page["IsTruncated"] for page in pages] == [True] * (len(pages) - 1) + [False]


def test_a_page_describes_its_objects(s3: Any, tree: str) -> None:
    page = s3.list_objects_v2(Bucket=tree, Delimiter="/")
    assert [item["Key"] for item in page["Contents"]] == ["a", "d", "f"]
    assert [item["Prefix"] for item in page["CommonPrefixes"]] == ["b/", "e/"]
    assert (page["KeyCount"], page["MaxKeys"], page["Name"], page["Prefix"]) == (5, 1000, tree, "")
    head = s3.head_object(Bucket=tree, Key="a")
    first = page["Contents"][0]
    assert (first["ETag"], first["Size"], first["LastModified"]) == (head["ETag"], 1, head["LastModified"])
    assert first["StorageClass"] == "STANDARD"
    assert first["ChecksumAlgorithm"] == ["CRC32"]
    assert "Owner" not in first


def test_owners_are_told_when_asked_for(s3: Any, tree: str) -> None:
    owner = s3.list_buckets()["Owner"]["ID"]
    assert s3.list_objects_v2(Bucket=tree, FetchOwner=True)["Contents"][0]["Owner"]["ID"] == owner
    assert s3.list_objects(Bucket=tree)["Contents"][0]["Owner"]["ID"] == owner


def test_no_more_than_a_thousand_come_at_once(s3: Any, tree: str) -> None:
    page = s3.list_objects_v2(Bucket=tree, MaxKeys=5000)
    assert page["MaxKeys"] == 1000
    page = s3.list_objects_v2(Bucket=tree, MaxKeys=0)
    assert (page["KeyCount"], page["IsTruncated"]) == (0, False)
    with refused("InvalidArgument"):
        s3.list_objects_v2(Bucket=tree, MaxKeys=-1)


def test_a_listing_starts_after_a_key(s3: Any, tree: str) -> None:
    page = s3.list_objects_v2(Bucket=tree, StartAfter="b/1")
    assert items(page) == ["b/2", "b/c/3", "d", "e/4", "f"]
    assert page["StartAfter"] == "b/1"
    assert items(s3.list_objects_v2(Bucket=tree, StartAfter="b/1", Delimiter="/")) == ["b/", "d", "e/", "f"]
    assert items(s3.list_objects_v2(Bucket=tree, StartAfter="b/", Delimiter="/")) == ["d", "e/", "f"]
    assert items(s3.list_objects(Bucket=tree, Marker="d")) == ["e/4", "f"]
    first = s3.list_objects_v2(Bucket=tree, StartAfter="d", MaxKeys=1)
    assert items(first) == ["e/4"]
    again = s3.list_objects_v2(Bucket=tree, StartAfter="a", ContinuationToken=first["NextContinuationToken"])
    assert items(again) == ["f"]


def test_only_a_delimiter_makes_version_1_tell_the_next_marker(s3: Any, tree: str) -> None:
    assert "NextMarker" not in s3.list_objects(Bucket=tree, MaxKeys=2)
    page = s3.list_objects(Bucket=tree, MaxKeys=2, Delimiter="/")
    assert (page["NextMarker"], page["IsTruncated"]) == ("b/", True)


def test_versions_of_a_bucket_without_versions(s3: Any, tree: str) -> None:
    page = s3.list_object_versions(Bucket=tree, MaxKeys=2)
    assert [(item["VersionId"], item["IsLatest"]) for item in page["Versions"]] == [("null", True)] * 2
    assert (page["NextKeyMarker"], page["NextVersionIdMarker"]) == ("b/1", "null")
    assert "DeleteMarkers" not in page
    with refused("InvalidArgument"):
        s3.list_object_versions(Bucket=tree, VersionIdMarker="null")


@pytest.mark.parametrize("token", ["x", "", "AAAA", "ä"])
def test_a_token_that_is_none_is_refused(s3: Any, tree: str, token: str) -> None:
    with refused("InvalidArgument", "continuation token"):
        s3.list_objects_v2(Bucket=tree, ContinuationToken=token)


def test_an_unknown_encoding_is_refused(s3: Any, tree: str) -> None:
    with refused("InvalidArgument", "encodingType"):
        s3.list_objects_v2(Bucket=tree, EncodingType="base64")


def test_encoded_keys_are_encoded_everywhere(s3: Any) -> None:
    bucket = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key="a b/ü 1", Body=b"")
    page = s3.list_objects_v2(Bucket=bucket, Prefix="a b", Delimiter="ü", EncodingType="url", StartAfter="a a")
    assert (page["Prefix"], page["Delimiter"], page["StartAfter"]) == ("a%20b", "%C3%BC", "a%20a")
    assert page["CommonPrefixes"] == [{"Prefix": "a%20b/%C3%BC"}]


def test_waiters_are_satisfied(s3: Any, tree: str) -> None:
    s3.get_waiter("bucket_exists").wait(Bucket=tree)
    s3.get_waiter("object_exists").wait(Bucket=tree, Key="a")
    s3.get_waiter("object_not_exists").wait(Bucket=tree, Key="nothing")
    s3.get_waiter("bucket_not_exists").wait(Bucket="not-a-bucket-at-all")
