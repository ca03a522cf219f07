"""Model data: from S3 to /opt/ml/model of a serving container."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sagebrush.kernel.base.errors import AwsError, validation
from sagebrush.kernel.compute.base import Link, Unpack
from sagebrush.kernel.grammar.call import Client
from sagebrush.kernel.state.record import Body
from sagebrush.services.sagemaker import channels

_ABSENT = {"NoSuchKey", "NoSuchBucket", "NotFound", "404"}
_ADDITIONAL = "/opt/ml/additional-model-data-sources"
_SUBMIT = "SAGEMAKER_SUBMIT_DIRECTORY"
_CODE = "/opt/ml/code"


@dataclass(frozen=True, slots=True)
class Source:
    """Model data in S3 and the folder of the container that it goes to."""

    uri: str
    folder: str
    archive: bool
    """A tar.gz to unpack; otherwise files as they are."""
    whole: bool
    """The URI is one object's; otherwise a prefix."""


@dataclass(slots=True)
class Layout:
    """What a task needs so that its container finds the model data."""

    links: list[Link] = field(default_factory=list)
    unpack: list[Unpack] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)


def sources(container: Body) -> Iterator[Source]:
    """Yield a container's model data. Raises ValidationException where it is described wrongly."""
    url, given = container.get("ModelDataUrl"), container.get("ModelDataSource")
    if url and given:
        raise validation("Only one of ModelDataUrl and ModelDataSource can be specified.")
    if url:
        yield Source(url, "model", archive=True, whole=True)
    if given:
        yield _source(given["S3DataSource"], "model")
    names = [entry["ChannelName"] for entry in container.get("AdditionalModelDataSources", ())]
    if len(names) != len(set(names)):
        raise validation("ChannelName must be unique within AdditionalModelDataSources.")
    for name in {".", ".."}.intersection(names):
        raise validation(f"ChannelName {name} does not name a folder of its own.")
    for entry in container.get("AdditionalModelDataSources", ()):
        yield _source(entry["S3DataSource"], f"{_ADDITIONAL}/{entry['ChannelName']}")


def _source(given: Body, folder: str) -> Source:
    archive, whole = given["CompressionType"] == "Gzip", given["S3DataType"] == "S3Object"
    if archive and not whole:
        raise validation("CompressionType Gzip requires S3DataType S3Object.")
    if not whole and not given["S3Uri"].endswith("/"):
        raise validation(f"S3Uri {given['S3Uri']} must end with a forward slash (/) when S3DataType is S3Prefix.")
    return Source(given["S3Uri"], folder, archive, whole)


def check(s3: Client, container: Body, role: str, region: str) -> None:
    """Refuse, as CreateModel does, model data that is not there or that the role may not read."""
    for source in sources(container):
        try:
            bucket, key = channels.split(source.uri)
        except channels.DataError as error:
            raise validation(str(error)) from None
        try:
            if source.whole:
                s3.head_object(Bucket=bucket, Key=key)
            elif next(channels.under(s3, source.uri), None) is None:
                raise _absent(source.uri)
        except AwsError as error:
            if error.code == "ValidationException":
                raise
            if error.code in _ABSENT:
                raise _absent(source.uri) from None
            raise _closed(source.uri, role, region) from None


def _absent(uri: str) -> AwsError:
    return validation(f"Could not find model data at {uri}.")


def _closed(uri: str, role: str, region: str) -> AwsError:
    return validation(
        f'Could not access model data at {uri}. Please ensure that the role "{role}" exists and that its trust'
        ' relationship policy allows the action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com".'
        f' Also ensure that the role has "s3:GetObject" permissions and that the object is located in {region}. If your'
        ' Model uses multiple models or uncompressed models, please ensure that the role has "s3:ListBucket"'
        " permission."
    )


def lay_out(s3: Client, container: Body, directory: Path) -> Layout:
    """Stage a container's model data, and the code that its environment names in S3, in `directory`. Again is fine.

    Raises channels.DataError, worded as an endpoint's FailureReason.
    """
    directory.mkdir(parents=True, exist_ok=True)
    layout = Layout()
    for number, source in enumerate(sources(container)):
        _place(s3, source, directory / f"data-{number}", layout)
    submitted = container.get("Environment", {}).get(_SUBMIT, "")
    if submitted.startswith("s3://"):
        _place(s3, Source(submitted, _CODE, archive=True, whole=True), directory / "code", layout)
        layout.environment[_SUBMIT] = _CODE
    return layout


def _place(s3: Client, source: Source, place: Path, layout: Layout) -> None:
    """Put one source's objects at `place`, hard-linked where the store can, and say what the task does with them."""
    try:
        if not source.whole:
            staged = channels.stage(s3, source.uri, "S3Prefix", place)
            layout.links.append(Link(staged.directory, source.folder, read_only=True))
            return
        bucket, key = channels.split(source.uri)
        place.unlink(missing_ok=True)
        channels.link(s3, bucket, key, place)
    except (AwsError, channels.DataError):
        raise channels.DataError(
            f'Failed to download model data for container "container_1" from URL: "{source.uri}". Please ensure that'
            " there is an object located at the URL and that the role passed to CreateModel has permissions to download"
            " the model."
        ) from None
    if source.archive:
        target = f"/opt/sagebrush/{place.name}.tar.gz"
        layout.links.append(Link(place, target, read_only=True))
        layout.unpack.append(Unpack(target, source.folder))
    else:
        layout.links.append(Link(place, f"{source.folder}/{PurePosixPath(source.uri).name}", read_only=True))
