"""Instance types, and who may run when a machine is full."""

from typing import Any

import botocore.session
import pytest

from sagebrush.kernel.compute.base import Limits
from sagebrush.kernel.compute.capacity import Capacity
from sagebrush.kernel.compute.limits import GIB, Machine, instance, limits_of, machine


@pytest.mark.parametrize(
    ("kind", "vcpus", "gib"),
    [
        ("ml.t2.medium", 2, 4),
        ("ml.t3.large", 2, 8),
        ("ml.t3.2xlarge", 8, 32),
        ("ml.m4.10xlarge", 40, 160),
        ("ml.m5.large", 2, 8),
        ("ml.m5.xlarge", 4, 16),
        ("ml.m5d.24xlarge", 96, 384),
        ("ml.c5.xlarge", 4, 8),
        ("ml.c5.18xlarge", 72, 144),
        ("ml.c5n.4xlarge", 16, 42),
        ("ml.r5.2xlarge", 8, 64),
        ("ml.g4dn.xlarge", 4, 16),
        ("ml.g5.48xlarge", 192, 768),
        ("ml.p3.2xlarge", 8, 61),
        ("ml.p4d.24xlarge", 96, 1152),
        ("ml.p5.48xlarge", 192, 2048),
        ("ml.inf1.6xlarge", 24, 48),
        ("ml.inf2.xlarge", 4, 16),
        ("ml.trn1.32xlarge", 128, 512),
    ],
)
def test_an_instance_type_has_what_aws_says(kind: str, vcpus: int, gib: float) -> None:
    size = instance(kind)
    assert size is not None
    assert (size.vcpus, size.memory) == (vcpus, gib * GIB)


def test_every_instance_type_that_the_api_lets_through_is_known() -> None:
    model: Any = botocore.session.get_session().get_service_model("sagemaker")
    members = (
        "TrainingInstanceType",
        "ProcessingInstanceType",
        "TransformInstanceType",
        "ProductionVariantInstanceType",
    )
    kinds = {kind for member in members for kind in model.shape_for(member).enum}
    assert len(kinds) > 250
    assert not [kind for kind in kinds if instance(kind) is None]


@pytest.mark.parametrize("kind", ["", "large", "ml.m5", "ml.m5.huge", "m5.xlarge.more", "ml..xlarge", "ML.M5.XLARGE"])
def test_what_is_no_instance_type_has_no_size(kind: str) -> None:
    assert instance(kind) is None
    with pytest.raises(ValueError, match="unknown instance type"):
        limits_of(kind)


def test_a_task_never_gets_more_than_this_machine_has() -> None:
    here = machine()
    limits = limits_of("ml.p5.48xlarge")
    assert limits.cpus == len(here.cores)
    assert limits.memory < here.memory
    small = limits_of("ml.t2.medium")
    assert small.cpus == min(2, len(here.cores))
    assert small.memory == min(4 * GIB, int(here.memory * 0.75))


TWO_CORES = Machine((0, 1), 16 * GIB)


def test_cores_and_memory_are_lent_twice_over_and_then_jobs_wait() -> None:
    capacity = Capacity(TWO_CORES)
    for id_ in ("a", "b"):
        assert capacity.fits(Limits(2, GIB), serves=False)
        capacity.lend(id_, Limits(2, GIB), serves=False)
    assert not capacity.fits(Limits(1, GIB), serves=False)
    capacity.give_back("a")
    assert capacity.fits(Limits(2, 31 * GIB), serves=False)
    assert not capacity.fits(Limits(2, 32 * GIB), serves=False)


def test_idle_endpoints_keep_no_job_from_starting() -> None:
    capacity = Capacity(TWO_CORES)
    for number in range(100):
        assert capacity.fits(Limits(2, 8 * GIB), serves=True)
        capacity.lend(f"endpoint-{number}", Limits(2, 8 * GIB), serves=True)
    assert capacity.fits(Limits(2, 12 * GIB), serves=False)


def test_one_job_always_runs_however_big() -> None:
    capacity = Capacity(TWO_CORES)
    assert capacity.fits(Limits(64, 1024 * GIB), serves=False)


def test_tasks_are_spread_over_the_cores() -> None:
    capacity = Capacity(Machine((0, 1, 2, 3), 16 * GIB))
    assert capacity.lend("a", Limits(1, GIB), serves=False).cores == (0,)
    assert capacity.lend("b", Limits(2, GIB), serves=False).cores == (1, 2)
    assert capacity.lend("c", Limits(1, GIB), serves=False).cores == (3,)
    capacity.give_back("b")
    assert capacity.lend("d", Limits(1, GIB), serves=False).cores == (1,)
    assert capacity.lend("e", Limits(1, GIB), serves=False, cores=(0,)).cores == (0,)
