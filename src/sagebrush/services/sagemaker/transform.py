"""Batch transform jobs: what is asked for. How it is carried out stands in `transform_run`."""

import re

from sagebrush.kernel.base.errors import validation
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import channels, jobs, serving
from sagebrush.services.sagemaker.instances import check_instance
from sagebrush.services.sagemaker.model import Model
from sagebrush.services.sagemaker.service import in_use, missing, service

TransformJob = service.resource(
    "TransformJob",
    jobs.lifecycle("TransformJob", "Transform"),
    slug="transform-job",
    verbs=("Create", "Describe", "List"),
    missing=missing("Could not find requested job with name: {name}"),
    duplicate=in_use(
        "Transform job names must be unique within an AWS account and region, and a transform job with this name"
        " already exists ({arn})"
    ),
    refuses={
        "DataCaptureConfig": "batch data capture comes later",
        "ExperimentConfig": "there are no experiments yet",
    },
    recorded=(
        "TransformOutput.KmsKeyId",
        "TransformResources.VolumeKmsKeyId",
        "TransformResources.TransformAmiVersion",
    ),
)

_MEGABYTES = 100
_WHOLE = "$"
_STEP = r"""
    \. (?: \* | [A-Za-z_][A-Za-z0-9_-]* )
  | \[ (?: \*
         | -?\d+ (?: \s*,\s* -?\d+ )*
         | -?\d* : -?\d*
         | '[^']*' (?: \s*,\s* '[^']*' )*
       ) \]
"""
_JSON_PATH = re.compile(rf"\$ (?: {_STEP} )*", re.VERBOSE)
"""The part of JSONPath that batch transform knows. Source: "Associate Prediction Results with Input Records" in the
Amazon SageMaker Developer Guide."""

_INDEXES = re.compile(r"\$ (?: \[ [^'.]* \] )?", re.VERBOSE)
"""What of it fits CSV, whose rows are arrays."""

_FORMATS = {
    "text/csv": "csv",
    "application/json": "json",
    "application/jsonlines": "jsonlines",
    "application/x-jsonlines": "jsonlines",
    "application/jsonl": "jsonlines",
}


@TransformJob.on_create
def check(call: Call, job: Record) -> Record:
    """Refuse what botocore's shapes cannot express, and fill in the defaults that Describe shows."""
    model = Model.find(call, job["ModelName"])
    source: Body = job["TransformInput"]["DataSource"]["S3DataSource"]
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise validation(f"S3DataType {source['S3DataType']} is not supported for transform jobs.")
    for uri in (source["S3Uri"], job["TransformOutput"]["S3OutputPath"]):
        channels.check(uri)
    resources: Body = job["TransformResources"]
    jobs.instance_count(resources)
    check_instance(resources["InstanceType"], "TransformResources.InstanceType")
    _payload(job)
    given: Body = {"CompressionType": "None", "SplitType": "None", **job["TransformInput"]}
    wanted: Body = {"AssembleWith": "None", "KmsKeyId": "", **job["TransformOutput"]}
    if job.get("BatchStrategy") == "MultiRecord" and given["SplitType"] == "None":
        raise validation("BatchStrategy MultiRecord requires SplitType Line, RecordIO or TFRecord.")
    processing: Body = {
        "InputFilter": _WHOLE,
        "OutputFilter": _WHOLE,
        "JoinSource": "None",
        **job.get("DataProcessing", {}),
    }
    _processing(processing, given, wanted)
    described = job.having(
        ModelName=model.name, TransformInput=given, TransformOutput=wanted, DataProcessing=processing
    )
    return described.remembering(served=serving.snapshot(model, call.world))


def _payload(job: Record) -> None:
    size, at_once = job.get("MaxPayloadInMB", 6), job.get("MaxConcurrentTransforms", 1)
    if size > _MEGABYTES:
        raise validation(f"MaxPayloadInMB {size} must not be greater than {_MEGABYTES}.")
    if size * at_once > _MEGABYTES:
        raise validation(
            f"MaxConcurrentTransforms ({at_once}) * MaxPayloadInMB ({size}) must not be greater than {_MEGABYTES} MB."
        )


def _processing(processing: Body, given: Body, wanted: Body) -> None:
    """Refuse filters and joins that do not fit the formats of input and output."""
    join, filtered = processing["JoinSource"] == "Input", processing["OutputFilter"] != _WHOLE
    if not (join or filtered or processing["InputFilter"] != _WHOLE):
        return
    taken = _format(given.get("ContentType"))
    if taken is None:
        raise validation(
            "DataProcessing requires ContentType text/csv, application/json or application/jsonlines, not"
            f" {given.get('ContentType')}."
        )
    if (join or filtered) and "Accept" in wanted and _format(wanted["Accept"]) != taken:
        raise validation(
            "DataProcessing with an OutputFilter or JoinSource Input requires input and output of the same format, not"
            f" ContentType {given['ContentType']} and Accept {wanted['Accept']}."
        )
    if taken != "json" and given["SplitType"] != "Line":
        raise validation(f"DataProcessing of {given['ContentType']} requires SplitType Line.")
    if taken != "json" and join and wanted["AssembleWith"] != "Line":
        raise validation(f"JoinSource Input of {given['ContentType']} requires AssembleWith Line.")
    for member in ("InputFilter", "OutputFilter"):
        _path(member, processing[member], taken)


def _format(content_type: str | None) -> str | None:
    return _FORMATS.get((content_type or "").partition(";")[0].strip().lower())


def _path(member: str, text: str, kind: str) -> None:
    if not _JSON_PATH.fullmatch(text):
        raise validation(f"{member} {text!r} is not a JSONPath that batch transform knows.")
    if kind == "csv" and not _INDEXES.fullmatch(text):
        raise validation(f"{member} {text!r} does not fit text/csv, whose rows are arrays: use indexes, as in $[0,-1].")


@service.operation
def stop_transform_job(call: Call) -> Result:
    """Have the job stop; it stores no output at all."""
    return jobs.stop(TransformJob, call, "transform")
