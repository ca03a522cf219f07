"""How big an instance type is, and how much of this machine stands for it.

AWS's sizes follow from their names: the size gives the vCPUs, the family the memory per vCPU. A task gets what its
instance type has, or what this machine has, whichever is less.
"""

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sagebrush.kernel.compute.base import Limits

GIB = 1024**3

_NAME = re.compile(r"(?:ml\.)?([a-z]+\d?[a-z0-9-]*)\.(?:(\d*)xlarge|metal-(\d+)xl|(metal|large|medium|small|micro))")
_SMALL = {"metal": 96, "large": 2, "medium": 1, "small": 1, "micro": 1}
_BURSTABLE_GIB = {"micro": 1.0, "small": 2.0, "medium": 4.0}
_GIB_PER_VCPU = {
    "c": 2.0, "c4": 1.875, "c5n": 2.625, "m": 4.0, "r": 8.0, "t": 4.0, "x": 16.0, "i": 8.0, "d": 8.0,
    "g": 4.0, "g5g": 2.0, "g6e": 8.0, "gr": 8.0, "g7e": 32 / 3,
    "p": 32 / 3, "p2": 15.25, "p3": 7.625, "p3dn": 8.0, "p4": 12.0,
    "inf1": 2.0, "inf2": 4.0, "trn1": 4.0, "trn2": 32 / 3,
}  # fmt: skip
_SHARE = 0.75
"""The most of this machine's memory that one task may take."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What an instance type has: vCPUs, and bytes of memory. Source: AWS's pages of instance types."""

    vcpus: int
    memory: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine lends: cores by number, and bytes of memory."""

    cores: tuple[int, ...]
    memory: int


@cache
def machine() -> Machine:
    """Return this machine: the cores this process may use, and the memory it may use."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(tuple(sorted(os.sched_getaffinity(0))), min(pages, _granted()))


def instance(kind: str) -> Instance | None:
    """Return the size of an instance type (`ml.m5.xlarge`, `local`), or None where its name tells none."""
    if kind in ("local", "local_gpu"):
        here = machine()
        return Instance(len(here.cores), here.memory)
    match = _NAME.fullmatch(kind)
    if match is None:
        return None
    family, times, metal, word = match.groups()
    ratio = next((_GIB_PER_VCPU[family[:end]] for end in range(len(family), 0, -1) if family[:end] in _GIB_PER_VCPU), 4)
    burstable = re.fullmatch(r"t\d[a-z]*", family) is not None
    vcpus = _SMALL[word] if word else 4 * int(metal or times or 1)
    if burstable:
        vcpus = max(vcpus, 2)
    gib = _BURSTABLE_GIB[word] if burstable and word in _BURSTABLE_GIB else vcpus * ratio
    return Instance(vcpus, round(gib * GIB))


def limits_of(kind: str) -> Limits:
    """Return what a task on an instance type gets of this machine. Raises ValueError for a type nobody knows."""
    size = instance(kind)
    if size is None:
        message = f"unknown instance type: {kind}"
        raise ValueError(message)
    here = machine()
    return Limits(min(size.vcpus, len(here.cores)), min(size.memory, int(here.memory * _SHARE)))


def _granted() -> int:
    """Return the memory limit of the control group that this process is in; a huge number where there is none."""
    texts = [
        path.read_text().strip()
        for path in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
        if path.exists()
    ]
    return min((int(text) for text in texts if text.isdigit()), default=2**62)
