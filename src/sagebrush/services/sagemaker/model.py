"""Models: a container image and the data that it serves."""

from sagebrush.kernel.base.errors import AwsError, validation
from sagebrush.kernel.grammar.call import Call
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import artifacts, jobs
from sagebrush.services.sagemaker.service import existing, missing, service

_ONE = "inference pipelines of more than one container come later"
_REGISTRY = "there is no model registry yet; give Image and ModelDataUrl"
_GATED = "there are no gated models"
_CONTAINER = {
    "ModelPackageName": _REGISTRY,
    "InferenceSpecificationName": _REGISTRY,
    "MultiModelConfig": "multi-model endpoints come later",
    "ContainerMetricsConfig": "containers' own metrics are not collected",
    "ImageConfig.RepositoryAuthConfig": "there is no registry to log in to",
    **{
        f"{source}.S3DataSource.{member}": reason
        for source in ("ModelDataSource", "AdditionalModelDataSources[]")
        for member, reason in {
            "ModelAccessConfig": _GATED,
            "HubAccessConfig": "there is no hub",
            "ManifestS3Uri": "give an S3Prefix",
            "ETag": "the object is taken as it is when the container starts",
            "ManifestEtag": "give an S3Prefix",
        }.items()
    },
}

Model = service.resource(
    "Model",
    slug="model",
    missing=missing('Could not find model "{arn}".'),
    duplicate=existing('Cannot create already existing model "{arn}".'),
    refuses={
        f"{place}.{path}": why for place in ("PrimaryContainer", "Containers[]") for path, why in _CONTAINER.items()
    },
    recorded=("VpcConfig", "PrimaryContainer.ImageConfig", "Containers[].ImageConfig"),
)


@Model.on_create
def check(call: Call, model: Record) -> Record:
    """Refuse what botocore's shapes cannot express, an unknown image and model data that cannot be read."""
    if ("PrimaryContainer" in model) == bool(model.get("Containers")):
        raise validation("You must specify either PrimaryContainer or Containers, and not both.")
    if len(model.get("Containers", ())) > 1:
        raise validation(f"Containers with more than one entry is not supported by this platform: {_ONE}.")
    if model.get("InferenceExecutionConfig", {}).get("Mode") == "Direct":
        raise validation(f"InferenceExecutionConfig.Mode Direct is not supported by this platform: {_ONE}.")
    role = model.get("ExecutionRoleArn")
    if role is None:
        raise validation("ExecutionRoleArn is required: it is the role that the container acts under.")
    call.may_pass(role)
    container = _checked(call, container_of(model), role)
    isolated = model.get("EnableNetworkIsolation", False)
    if "PrimaryContainer" in model:
        return model.having(PrimaryContainer=container, EnableNetworkIsolation=isolated)
    return model.having(Containers=[container], EnableNetworkIsolation=isolated)


def container_of(model: Record) -> Body:
    """Return the definition of a model's one container."""
    container: Body = model["PrimaryContainer"] if "PrimaryContainer" in model else model["Containers"][0]
    return container


def _checked(call: Call, container: Body, role: str) -> Body:
    if container.get("Mode") == "MultiModel":
        raise validation("Mode MultiModel is not supported by this platform: multi-model endpoints come later.")
    image = container.get("Image")
    if image is None:
        raise validation("You must specify the Image of the container.")
    if call.world.images.resolve(image) is None:
        raise validation(call.world.images.unknown(image))
    try:
        s3 = call.world.as_role(role, jobs.SESSION, call.region)("s3")
    except AwsError as error:
        raise validation(error.message) from None
    artifacts.check(s3, container, role, call.region)
    return {"Mode": "SingleModel", **container}
