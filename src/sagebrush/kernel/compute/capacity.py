"""Who may run now: tasks wait, first come first served, until there is room.

A machine lends its cores and its memory twice over, since a task seldom uses all that its instance type has: a task that
may use one core of two waits only when four are lent. A task that serves is lent an eighth of its limits and never
waits, so that endpoints do not keep each other, or a training job, from starting. One job always may run, however big
it is, so that nothing waits for ever.
"""

from collections import Counter
from dataclasses import dataclass, field

from sagebrush.kernel.compute.base import Limits
from sagebrush.kernel.compute.limits import Machine

OVERCOMMIT = 2.0
SERVING = 0.125


@dataclass(frozen=True, slots=True)
class Loan:
    """What a running task was lent: a share of its limits, and the cores that it runs on."""

    limits: Limits
    share: float
    cores: tuple[int, ...]


@dataclass(slots=True)
class Capacity:
    """What of a machine is lent to whom."""

    machine: Machine
    loans: dict[str, Loan] = field(default_factory=dict)

    def fits(self, limits: Limits, *, serves: bool) -> bool:
        """Tell whether a task with these limits may start now."""
        jobs = any(loan.share == 1 for loan in self.loans.values())
        if serves or not jobs:
            return True
        cpus = limits.cpus + sum(loan.limits.cpus * loan.share for loan in self.loans.values())
        memory = limits.memory + sum(loan.limits.memory * loan.share for loan in self.loans.values())
        return cpus <= len(self.machine.cores) * OVERCOMMIT and memory <= self.machine.memory * OVERCOMMIT

    def lend(self, id: str, limits: Limits, *, serves: bool, cores: tuple[int, ...] = ()) -> Loan:  # noqa: A002
        """Note that a task runs, on the given cores or else on those that the fewest tasks run on."""
        used = Counter(core for loan in self.loans.values() for core in loan.cores)
        chosen = cores or tuple(sorted(self.machine.cores, key=lambda core: (used[core], core))[: limits.cpus])
        loan = self.loans[id] = Loan(limits, SERVING if serves else 1, chosen)
        return loan

    def give_back(self, id: str) -> None:  # noqa: A002
        """Note that a task runs no more."""
        self.loans.pop(id, None)
