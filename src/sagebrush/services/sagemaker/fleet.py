"""Fleets: the instances that serve an endpoint configuration, one task each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sagebrush.kernel.compute.routes import Share
from sagebrush.kernel.grammar.call import Call
from sagebrush.kernel.state.record import Body, Record
from sagebrush.services.sagemaker import serving
from sagebrush.services.sagemaker.model import Model

_STARTUP, _PROVISION = 240, 600
"""Seconds that a container has until it answers /ping, and that it waits for this machine to have room for it, where
the variant says nothing else."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of a variant. `key` names it for as long as its fleet lives."""

    key: str
    variant: Body

    @property
    def what(self) -> str:
        """How failure reasons call it."""
        return f"production variant {self.variant['VariantName']}"


@dataclass(frozen=True, slots=True)
class State:
    """What is known of an instance.

    `attempt` counts its containers. The present one was asked for at `asked`, ran first at `since` (clock times), and
    is `up` when it has answered /ping; it is not started before `after`.
    """

    attempt: int = 1
    asked: float | None = None
    since: float | None = None
    up: bool = False
    after: float = 0.0


def build(call: Call, config: Record, generation: int, kept: Mapping[str, Mapping[str, Any]] | None = None) -> Body:
    """Return the fleet that a configuration asks for, as records keep it: the models as they are now.

    `kept` has, by variant, members that stay as they are (`Weight`, `Count`).
    """
    variants = [
        {
            **serving.snapshot(Model.find(call, variant["ModelName"]), call.world),
            "VariantName": variant["VariantName"],
            "InstanceType": variant["InstanceType"],
            "Count": variant["InitialInstanceCount"],
            "Weight": variant["InitialVariantWeight"],
            "Startup": variant.get("ContainerStartupHealthCheckTimeoutInSeconds", _STARTUP),
            "Provision": variant.get("VariantInstanceProvisionTimeoutInSeconds", _PROVISION),
            **({"RoutingConfig": variant["RoutingConfig"]} if "RoutingConfig" in variant else {}),
            **(kept or {}).get(variant["VariantName"], {}),
        }
        for variant in config["ProductionVariants"]
    ]
    capture = {"DataCaptureConfig": config["DataCaptureConfig"]} if "DataCaptureConfig" in config else {}
    return {"Config": config.name, "Generation": generation, "Time": call.now, "Variants": variants, **capture}


def instances(fleet: Body | None) -> Iterator[Instance]:
    """Yield a fleet's instances, in their order."""
    if fleet is None:
        return
    for ordinal, variant in enumerate(fleet["Variants"]):
        for number in range(variant["Count"]):
            yield Instance(f"g{fleet['Generation']}-v{ordinal}-i{number}", variant)


def keys(fleet: Body | None) -> set[str]:
    """Return the keys of a fleet's instances."""
    return {instance.key for instance in instances(fleet)}


def states(endpoint: Record) -> dict[str, State]:
    """Return what an endpoint's record says of its instances, by key."""
    return {key: State(**told) for key, told in endpoint.private.get("instances", {}).items()}


def part(key: str, state: State) -> str:
    """Return the part of a task's id that names an instance's present container."""
    return f"{key}-a{state.attempt}"


def shares(fleet: Body, known: Mapping[str, State], tasks: Mapping[str, str]) -> list[Share]:
    """Return where a fleet's traffic goes: to the instances that are up. `tasks` has their task ids by key."""
    by_variant: dict[str, list[str]] = {variant["VariantName"]: [] for variant in fleet["Variants"]}
    for instance in instances(fleet):
        if known.get(instance.key, State()).up:
            by_variant[instance.variant["VariantName"]].append(tasks[instance.key])
    return [
        Share(
            variant["VariantName"],
            variant["Weight"],
            tuple(by_variant[variant["VariantName"]]),
            variant.get("RoutingConfig", {}).get("RoutingStrategy", "LEAST_OUTSTANDING_REQUESTS"),
        )
        for variant in fleet["Variants"]
    ]


def summaries(fleet: Body, known: Mapping[str, State], target: Body | None) -> list[Body]:
    """Return DescribeEndpoint's ProductionVariants; `target` is where an update of weights and capacities leads."""
    wanted = {variant["VariantName"]: variant for variant in (target or fleet)["Variants"]}
    return [_summary(fleet, variant, known, wanted) for variant in fleet["Variants"]]


def pending(target: Body, known: Mapping[str, State]) -> Body:
    """Return DescribeEndpoint's PendingDeploymentSummary."""
    variants = [
        {**summary, "InstanceType": variant["InstanceType"], "VariantStatus": [{"Status": "Creating"}]}
        for summary, variant in zip(summaries(target, known, None), target["Variants"], strict=True)
    ]
    return {"EndpointConfigName": target["Config"], "ProductionVariants": variants, "StartTime": target["Time"]}


def _summary(fleet: Body, variant: Body, known: Mapping[str, State], wanted: Mapping[str, Body]) -> Body:
    name = variant["VariantName"]
    desired = wanted.get(name, variant)
    image = {
        "SpecifiedImage": variant["Container"]["Image"],
        "ResolvedImage": f"sagebrush/{variant['Image']}",
        "ResolutionTime": fleet["Time"],
    }
    routing = {"RoutingConfig": variant["RoutingConfig"]} if "RoutingConfig" in variant else {}
    return {
        "VariantName": name,
        "DeployedImages": [image],
        "CurrentWeight": variant["Weight"],
        "DesiredWeight": desired["Weight"],
        "CurrentInstanceCount": _up(instances(fleet), name, known),
        "DesiredInstanceCount": desired["Count"],
        **routing,
    }


def _up(fleet: Iterable[Instance], name: str, known: Mapping[str, State]) -> int:
    return sum(known.get(i.key, State()).up for i in fleet if i.variant["VariantName"] == name)
