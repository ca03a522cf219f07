"""What is there for wrong requests to name: without it, most would be refused for what they name alone."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from tests.conftest import Platform

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
BUCKET = "bad-input"
_TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sagemaker.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}]}'
)
_ROLE = "arn:aws:iam::123456789012:role/bad-input"


def furnish(platform: Platform) -> Mapping[str, Mapping[str, list[Any]]]:
    """Make, or make again, one of everything; return by service what the members that name it may say."""
    s3, sm, logs, iam = (platform.client(name) for name in ("s3", "sagemaker", "logs", "iam"))
    iam_role: dict[str, Any] = {"RoleName": "bad-input", "AssumeRolePolicyDocument": _TRUST}
    _make(lambda: iam.create_role(**iam_role))
    iam.update_assume_role_policy(RoleName="bad-input", PolicyDocument=_TRUST)
    _make(lambda: s3.create_bucket(Bucket=BUCKET))
    s3.put_object(Bucket=BUCKET, Key="kept", Body=b"1,2\n3,4\n")
    upload = _upload(s3)
    _make(lambda: logs.create_log_group(logGroupName="bad-input"))
    _make(lambda: logs.create_log_stream(logGroupName="bad-input", logStreamName="kept"))
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/kept"}
    _make(lambda: sm.create_model(ModelName="kept", PrimaryContainer=container, ExecutionRoleArn=_ROLE))
    variant = {"VariantName": "v", "ModelName": "kept", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    _make(lambda: sm.create_endpoint_config(EndpointConfigName="kept", ProductionVariants=[variant]))
    _make(lambda: sm.create_endpoint(EndpointName="kept", EndpointConfigName="kept"))
    arn = "arn:aws:sagemaker:us-east-1:123456789012"
    group = "arn:aws:logs:us-east-1:123456789012:log-group:bad-input"
    return {
        "s3": {
            "Bucket": [BUCKET],
            "Key": ["kept", "new"],
            "UploadId": [upload],
            "CopySource": [f"{BUCKET}/kept"],
            "PartNumber": [1, 2],
            "VersionId": ["null"],
            "ETag": [_ETAG],
            "StorageClass": ["STANDARD"],
            "ACL": ["private"],
            "ServerSideEncryption": ["AES256"],
            "Tagging": ["a=b"],
            "TagSet": [[{"Key": "a", "Value": "b"}]],
            "ExpectedBucketOwner": ["123456789012"],
        },
        "sagemaker": {
            "ModelName": ["kept", "new"],
            "EndpointConfigName": ["kept", "new"],
            "EndpointName": ["kept", "new"],
            "RoleArn": [_ROLE],
            "ExecutionRoleArn": [_ROLE],
            "Image": [IMAGE],
            "TrainingImage": [IMAGE],
            "ImageUri": [IMAGE],
            "ModelDataUrl": [f"s3://{BUCKET}/kept"],
            "S3Uri": [f"s3://{BUCKET}/kept"],
            "S3OutputPath": [f"s3://{BUCKET}/out"],
            "InstanceType": ["ml.m5.large"],
            "InstanceCount": [1],
            "InitialInstanceCount": [1],
            "VariantName": ["v"],
            "DesiredInstanceCount": [1],
            "ResourceArn": [f"{arn}:model/kept", f"{arn}:endpoint/kept"],
            "VolumeSizeInGB": [1],
            "MaxRuntimeInSeconds": [60],
            "Resource": ["TrainingJob"],
        },
        "sagemaker-runtime": {"EndpointName": ["kept"]},
        "logs": {
            "logGroupName": ["bad-input"],
            "logStreamName": ["kept"],
            "resourceArn": [group],
            "logGroupIdentifier": ["bad-input", group],
            "retentionInDays": [7],
            "logStreamNamePrefix": ["k"],
            "filterPattern": ["x", '{ $.a = "b" }', "[a, b]", '"x y" -z', "{ $.a = 1 && ($.b = 2) }", "%x%"],
        },
        "iam": {
            "RoleName": ["bad-input"],
            "AssumeRolePolicyDocument": [_TRUST],
            "PolicyDocument": [_TRUST],
            "PolicySourceArn": [_ROLE],
        },
        "sts": {"RoleArn": [_ROLE], "DurationSeconds": [900]},
        "cloudwatch": {
            "Namespace": ["Bad"],
            "MetricName": ["m"],
            "Period": [60],
            "Expression": ["m1 + 1"],
            "Statistics": [["Sum"]],
            "Stat": ["Average"],
        },
    }  # fmt: skip


_ETAG = '"d41d8cd98f00b204e9800998ecf8427e"'


def _make(call: Callable[[], object]) -> None:
    with suppress(ClientError):  # it is there already
        call()


def _upload(s3: Any) -> str:
    for upload in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()):
        s3.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    made: str = s3.create_multipart_upload(Bucket=BUCKET, Key="kept")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="kept", UploadId=made, PartNumber=1, Body=b"")
    return made


def found_below(folder: Path, start: str) -> list[Path]:
    """Return the files below a folder whose names start so; others may come and go meanwhile."""
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names if name.startswith(start)]
