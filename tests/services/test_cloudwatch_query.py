"""CloudWatch over the query protocol, which SDKs older than its JSON speak."""

import time
import urllib.error
import urllib.request
import uuid
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.conftest import Platform

XML = "{http://monitoring.amazonaws.com/doc/2010-08-01/}"


def ask(platform: Platform, action: str, **members: Any) -> tuple[int, ET.Element]:
    """Return the status and the document that a signed form gets."""
    form = urlencode({"Action": action, "Version": "2010-08-01", **members}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    signed = AWSRequest("POST", f"{platform.endpoint}/", headers=headers, data=form)
    keys = platform.keys
    credentials = Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"])
    SigV4Auth(credentials, "monitoring", "us-east-1").add_auth(signed)
    request = urllib.request.Request(f"{platform.endpoint}/", form, dict(signed.headers.items()))
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, ET.fromstring(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ET.fromstring(error.read())


def iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def test_what_is_put_in_forms_is_read_in_xml(platform: Platform) -> None:
    namespace = f"test/{uuid.uuid4().hex}"
    start = time.time() // 3600 * 3600 - 3600
    dimension = {"Name": "job", "Value": "a b&c"}
    datum: dict[str, Any] = {"MetricName": "m", "Timestamp": iso(start), "Unit": "Seconds"}
    datum |= {"Values.member.1": 2.5, "Values.member.2": 4, "Counts.member.1": 1, "Counts.member.2": 3}
    datum |= {f"Dimensions.member.1.{name}": value for name, value in dimension.items()}
    members = {f"MetricData.member.1.{name}": value for name, value in datum.items()}
    status, _ = ask(platform, "PutMetricData", Namespace=namespace, **members)
    assert status == 200
    status, document = ask(
        platform,
        "GetMetricStatistics",
        Namespace=namespace,
        MetricName="m",
        StartTime=iso(start),
        EndTime=iso(start + 60),
        Period=60,
        **{f"Dimensions.member.1.{name}": value for name, value in dimension.items()},
        **{"Statistics.member.1": "Sum", "Statistics.member.2": "SampleCount"},
    )
    assert status == 200
    [point] = document.findall(f"{XML}GetMetricStatisticsResult/{XML}Datapoints/{XML}member")
    found = {child.tag.removeprefix(XML): child.text or "" for child in point}
    assert (float(found["Sum"]), float(found["SampleCount"]), found["Unit"]) == (14.5, 4, "Seconds")
    assert found["Timestamp"] == iso(start)


def test_refusals_have_the_old_codes(platform: Platform) -> None:
    members = {"MetricData.member.1.MetricName": "m", "MetricData.member.1.Value": "NaN"}
    status, document = ask(platform, "PutMetricData", Namespace="test/x", **members)
    assert status == 400
    error = {child.tag.removeprefix(XML): child.text for child in document.findall(f"{XML}Error/*")}
    assert error == {
        "Type": "Sender",
        "Code": "InvalidParameterValue",
        "Message": "The value NaN for parameter MetricData.member.1.Value is invalid.",
    }
