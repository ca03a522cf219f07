"""Endpoints: what is asked for. How it is carried out stands in `endpoint_run`."""

from typing import Any

from sagebrush.kernel.base.errors import validation
from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.grammar.lifecycle import Lifecycle, table
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import fleet
from sagebrush.services.sagemaker.endpoint_config import EndpointConfig
from sagebrush.services.sagemaker.service import existing, missing, service

Endpoint = service.resource(
    "Endpoint",
    Lifecycle(
        "EndpointStatus",
        "Creating",
        table("""
            Creating -> InService Failed
            InService -> Updating Deleting
            Updating -> InService
            Failed -> Deleting
            Deleting -> Failed
        """),
        "Failed",
        "SageMaker Endpoint State Change",
    ),
    slug="endpoint",
    verbs=("Create", "Describe", "List"),
    missing=missing('Could not find endpoint "{arn}".'),
    duplicate=existing('Cannot create already existing endpoint "{arn}".'),
)

_LATER = "come later; updates are blue/green, all at once"
_RETAINED = {"DesiredWeight": "Weight", "DesiredInstanceCount": "Count"}


@Endpoint.on_create
def check(call: Call, endpoint: Record) -> Record:
    """Look up the configuration and its models, as they are now."""
    deployment = _deployment(endpoint.get("DeploymentConfig"))
    config = EndpointConfig.find(call, endpoint["EndpointConfigName"])
    asked = endpoint.having(EndpointConfigName=config.name, DeploymentConfig=None, LastDeploymentConfig=deployment)
    return asked.remembering(target=fleet.build(call, config, 1), generation=1)


@Endpoint.on_describe
def view(endpoint: Record) -> Record:
    """Show the fleet that serves and, while an update is under way, the one that is to come."""
    current: Body | None = endpoint.private.get("fleet")
    target: Body | None = endpoint.private.get("target")
    if current is None:
        return endpoint
    known = fleet.states(endpoint)
    resized = target if target and target["Generation"] == current["Generation"] else None
    return endpoint.having(
        ProductionVariants=fleet.summaries(current, known, resized),
        PendingDeploymentSummary=fleet.pending(target, known) if target and not resized else None,
        DataCaptureConfig=_capture(current),
    )


def _capture(current: Body) -> Body | None:
    config: Body | None = current.get("DataCaptureConfig")
    if config is None:
        return None
    return {
        "EnableCapture": False,
        "CaptureStatus": "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": config.get("KmsKeyId", ""),
    }


def _deployment(config: Body | None) -> Body | None:
    """Return a deployment configuration that asks for what is done anyway; refuse any other by name."""
    if not config:
        return None
    policy: Body = config.get("BlueGreenUpdatePolicy", {})
    routing: Body = policy.get("TrafficRoutingConfiguration", {})
    refused = {
        "RollingUpdatePolicy": "RollingUpdatePolicy" in config,
        "AutoRollbackConfiguration": bool(config.get("AutoRollbackConfiguration", {}).get("Alarms")),
        f"TrafficRoutingConfiguration.Type {routing.get('Type')}": routing.get("Type", "ALL_AT_ONCE") != "ALL_AT_ONCE",
        "WaitIntervalInSeconds": routing.get("WaitIntervalInSeconds", 0) > 0,
        "TerminationWaitInSeconds": policy.get("TerminationWaitInSeconds", 0) > 0,
        "MaximumExecutionTimeoutInSeconds": "MaximumExecutionTimeoutInSeconds" in policy,
    }
    for name, given in refused.items():
        if given:
            raise validation(
                f"DeploymentConfig with {name} is not supported by this platform: deployment guardrails {_LATER}."
            )
    return config


def _ready(endpoint: Record) -> None:
    """Refuse to change an endpoint on which something is under way."""
    if endpoint.status in ("Creating", "Updating", "Deleting"):
        raise validation(f'Cannot update in-progress endpoint "{endpoint.arn}".')


def _updatable(endpoint: Record) -> None:
    _ready(endpoint)
    if endpoint.status != "InService":
        raise validation(f'Cannot update endpoint "{endpoint.arn}" in status {endpoint.status}; delete it instead.')


@service.operation
def update_endpoint(call: Call) -> Result:
    """Serve another configuration: a new fleet is started, takes over all traffic at once, the old one is stopped."""
    params = call.params
    if "DeploymentConfig" in params and params.get("RetainDeploymentConfig"):
        raise validation("DeploymentConfig and RetainDeploymentConfig cannot be specified together.")
    deployment = _deployment(params.get("DeploymentConfig"))
    excluded = {entry["VariantPropertyType"] for entry in params.get("ExcludeRetainedVariantProperties", ())}
    retained = set(_RETAINED) - excluded if params.get("RetainAllVariantProperties") else set()

    def updating(endpoint: Record) -> Record:
        _updatable(endpoint)
        config = EndpointConfig.find(call, params["EndpointConfigName"])
        current: Body = endpoint.private["fleet"]
        kept = {
            variant["VariantName"]: {_RETAINED[name]: variant[_RETAINED[name]] for name in retained}
            for variant in current["Variants"]
        }
        target = fleet.build(call, config, endpoint.private["generation"] + 1, kept)
        last = endpoint.get("LastDeploymentConfig") if params.get("RetainDeploymentConfig") else deployment
        moved = Endpoint.moved(endpoint, "Updating", call.now, LastDeploymentConfig=last, FailureReason=None)
        return moved.remembering(target=target, generation=target["Generation"]).again(call.now)

    return {"EndpointArn": Endpoint.change(call, updating).arn}


@service.operation
def update_endpoint_weights_and_capacities(call: Call) -> Result:
    """Change variants' weights, at once, and their instance counts, as soon as added instances answer /ping."""
    wanted: dict[str, dict[str, Any]] = {}
    for entry in call.params["DesiredWeightsAndCapacities"]:
        name = entry["VariantName"]
        if "ServerlessUpdateConfig" in entry:
            raise validation(
                "ServerlessUpdateConfig is not supported by this platform: serverless endpoints come later."
            )
        if entry.get("DesiredInstanceCount") == 0:
            raise validation(f"DesiredInstanceCount of variant {name} must be at least 1.")
        if name in wanted:
            raise validation(f"Variant {name} is given more than once.")
        wanted[name] = {_RETAINED[member]: entry[member] for member in _RETAINED if member in entry}

    def updating(endpoint: Record) -> Record:
        _updatable(endpoint)
        current: Body = endpoint.private["fleet"]
        for name in wanted.keys() - {variant["VariantName"] for variant in current["Variants"]}:
            raise validation(f'Variant "{name}" does not exist on endpoint "{endpoint.arn}".')
        variants = [{**variant, **wanted.get(variant["VariantName"], {})} for variant in current["Variants"]]
        if sum(variant["Weight"] for variant in variants) == 0:
            raise validation("At least one variant must have a DesiredWeight greater than 0.")
        moved = Endpoint.moved(endpoint, "Updating", call.now, FailureReason=None)
        return moved.remembering(target={**current, "Variants": variants}).again(call.now)

    return {"EndpointArn": Endpoint.change(call, updating).arn}


@service.operation
def delete_endpoint(call: Call) -> Result:
    """Take the endpoint out of service and stop its containers: SIGTERM, 30 seconds, SIGKILL; then it is gone."""

    def deleting(endpoint: Record) -> Record:
        _ready(endpoint)
        return Endpoint.moved(endpoint, "Deleting", call.now).again(call.now)

    Endpoint.change(call, deleting)
    return {}
