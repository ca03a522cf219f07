"""Endpoint configurations: which models an endpoint serves, on what, and with which share of the traffic."""

from sagebrush.kernel.base.errors import validation
from sagebrush.kernel.grammar.call import Call
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker.instances import check_instance
from sagebrush.services.sagemaker.model import Model
from sagebrush.services.sagemaker.service import existing, missing, service

_COMPONENTS = "inference components come later; give each variant a ModelName"
_VARIANT = {
    "ServerlessConfig": "serverless endpoints come later; give InstanceType and InitialInstanceCount",
    "ManagedInstanceScaling": "managed scaling comes later; give InitialInstanceCount",
    "InstancePools": "give InstanceType and InitialInstanceCount",
    "CapacityReservationConfig": "there is no capacity to reserve",
    "AcceleratorPartitionLayouts": "accelerators are not partitioned here",
    "CoreDumpConfig": "no core dumps are taken",
    "EnableSSMAccess": "there is no session manager",
    "RoutingConfig.PrefixAwareRoutingConfig": "choose LEAST_OUTSTANDING_REQUESTS or RANDOM",
}
_STRATEGIES = ("LEAST_OUTSTANDING_REQUESTS", "RANDOM")

EndpointConfig = service.resource(
    "EndpointConfig",
    slug="endpoint-config",
    missing=missing('Could not find endpoint configuration "{arn}".'),
    duplicate=existing('Cannot create already existing endpoint configuration "{arn}".'),
    refuses={
        **{f"ProductionVariants[].{path}": why for path, why in _VARIANT.items()},
        "ShadowProductionVariants": "shadow variants come later",
        "AsyncInferenceConfig": "asynchronous endpoints come later",
        "ExplainerConfig": "online explanations come later",
        "DataCaptureConfig.EnableCapture": "data capture comes later; give false",
        "ExecutionRoleArn": _COMPONENTS,
        "EnableNetworkIsolation": _COMPONENTS,
        "MetricsConfig.EnableEnhancedMetrics": "metrics are published per variant, each minute",
        "MetricsConfig.EnableDetailedObservability": "metrics are published per variant, each minute",
        "MetricsConfig.MetricPublishFrequencyInSeconds": "metrics are published per variant, each minute",
        "CrossRegionTrafficConfig": "there is one region",
    },
    recorded=(
        "KmsKeyId",
        "VpcConfig",
        "ProductionVariants[].AcceleratorType",
        "ProductionVariants[].VolumeSizeInGB",
        "ProductionVariants[].InferenceAmiVersion",
        "ProductionVariants[].ModelDataDownloadTimeoutInSeconds",
    ),
)


@EndpointConfig.on_create
def check(call: Call, config: Record) -> Record:
    """Refuse variants that cannot be run, and fill in the weight that Describe shows."""
    variants = [_variant(call, variant) for variant in config["ProductionVariants"]]
    names = [variant["VariantName"] for variant in variants]
    if len(names) != len(set(names)):
        raise validation("Production variant names must be unique within an endpoint configuration.")
    if sum(variant["InitialVariantWeight"] for variant in variants) == 0:
        raise validation("At least one production variant must have an InitialVariantWeight greater than 0.")
    return config.having(ProductionVariants=variants)


def _variant(call: Call, variant: Body) -> Body:
    where = f"production variant {variant['VariantName']}"
    if "ModelName" not in variant:
        raise validation(f"ModelName is required for {where}: {_COMPONENTS}.")
    Model.find(call, variant["ModelName"])
    check_instance(variant.get("InstanceType"), f"InstanceType of {where}")
    if "InitialInstanceCount" not in variant:
        raise validation(f"InitialInstanceCount is required for {where}.")
    strategy = variant.get("RoutingConfig", {}).get("RoutingStrategy", _STRATEGIES[0])
    if strategy not in _STRATEGIES:
        raise validation(
            f"RoutingStrategy {strategy} of {where} is not supported by this platform; choose {' or '.join(_STRATEGIES)}."
        )
    return {"InitialVariantWeight": 1.0, **variant}
