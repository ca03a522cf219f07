"""Tags of objects, as boto3 sees them."""

from typing import Any

import pytest
from tests.conftest import Platform
from tests.services.s3_help import new_bucket, refused


@pytest.fixture(scope="module")
def s3(platform: Platform) -> Any:
    return platform.client("s3")


@pytest.fixture
def where(s3: Any) -> dict[str, str]:
    bucket = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    return {"Bucket": bucket, "Key": "key"}


def tags(**pairs: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def test_tags_are_put_read_replaced_and_dropped(s3: Any, where: dict[str, str]) -> None:
    assert s3.get_object_tagging(**where)["TagSet"] == []
    s3.put_object_tagging(**where, Tagging={"TagSet": tags(a="1", b="")})
    assert s3.get_object_tagging(**where)["TagSet"] == tags(a="1", b="")
    s3.put_object_tagging(**where, Tagging={"TagSet": tags(c="3")})
    assert s3.get_object_tagging(**where)["TagSet"] == tags(c="3")
    assert s3.get_object(**where)["TagCount"] == 1
    s3.delete_object_tagging(**where)
    assert s3.get_object_tagging(**where)["TagSet"] == []
    assert "TagCount" not in s3.get_object(**where)


def test_tags_change_nothing_else(s3: Any, where: dict[str, str]) -> None:
    before = s3.head_object(**where)
    s3.put_object_tagging(**where, Tagging={"TagSet": tags(a="1")})
    after = s3.head_object(**where)
    assert (before["ETag"], before["LastModified"]) == (after["ETag"], after["LastModified"])


def test_an_object_written_again_has_no_tags(s3: Any, where: dict[str, str]) -> None:
    s3.put_object_tagging(**where, Tagging={"TagSet": tags(a="1")})
    s3.put_object(**where, Body=b"y")
    assert s3.get_object_tagging(**where)["TagSet"] == []


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ([{"Key": f"k{n}", "Value": ""} for n in range(11)], "BadRequest"),
        (tags(**{"k" * 129: "v"}), "InvalidTag"),
        (tags(k="v" * 257), "InvalidTag"),
        (tags(**{"aws:mine": "v"}), "InvalidTag"),
        ([*tags(a="1"), *tags(a="2")], "InvalidTag"),
        (tags(k="<script>"), "InvalidTag"),
    ],
)
def test_tags_against_the_rules_are_refused(
    s3: Any, where: dict[str, str], bad: list[dict[str, str]], code: str
) -> None:
    with refused(code):
        s3.put_object_tagging(**where, Tagging={"TagSet": bad})
    assert s3.get_object_tagging(**where)["TagSet"] == []


@pytest.mark.parametrize("header", ["=v", "a=1&a=2", "%ff=x", "&&"])
def test_a_tagging_header_against_the_rules_is_refused(s3: Any, where: dict[str, str], header: str) -> None:
    with pytest.raises(s3.exceptions.ClientError) as caught:
        s3.put_object(**where, Body=b"changed", Tagging=header)
    assert caught.value.response["Error"]["Code"] in {"InvalidTag", "InvalidArgument"}
    assert s3.get_object(**where)["Body"].read() == b"x"


def test_tags_of_what_is_not_there(s3: Any, where: dict[str, str]) -> None:
    for call in (s3.get_object_tagging, s3.delete_object_tagging):
        with refused("NoSuchKey"):
            call(Bucket=where["Bucket"], Key="absent")
    with refused("NoSuchKey"):
        s3.put_object_tagging(Bucket=where["Bucket"], Key="absent", Tagging={"TagSet": []})
