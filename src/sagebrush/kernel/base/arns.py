"""Amazon resource names."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arn:
    """`arn:partition:service:region:account:resource`, taken apart."""

    service: str
    region: str
    account: str
    resource: str
    partition: str = "aws"

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"

    @property
    def name(self) -> str:
        """What follows the last slash of the resource: a role's name without its path, say."""
        return self.resource.rsplit("/", 1)[-1]

    @property
    def kind(self) -> str:
        """What precedes the first slash or colon of the resource: `role`, `training-job`."""
        return self.resource.replace(":", "/").split("/", 1)[0]

    @classmethod
    def parse(cls, text: str) -> "Arn":
        """Take an ARN apart. Raises ValueError where `text` is none."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn":
            message = f"not an ARN: {text!r}"
            raise ValueError(message)
        _, partition, service, region, account, resource = parts
        return cls(service, region, account, resource, partition)
