"""Control-plane calls against `moto_server`, both in one run: creates, describes and lists of models, through boto3.

    .venv/bin/python benchmarks/control_plane.py [--rounds 5]

Each round takes both servers in turn; the figures are medians over the rounds. moto_server runs from an environment of
its own, `.envs/moto` (made on the first run).
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from harness import moto, ours

ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
CREATES, DESCRIBES, LISTS = 300, 300, 60


def rate(calls: int, act: Callable[[int], Any]) -> float:
    """Return calls per second."""
    began = time.perf_counter()
    for number in range(calls):
        act(number)
    return calls / (time.perf_counter() - began)


def measure(client: Any, round_: int) -> dict[str, float]:
    """Create models, describe them, list them ten at a time among all, delete them."""

    def create(number: int) -> None:
        client.create_model(ModelName=f"m-{round_}-{number}", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})

    rates = {
        "create": rate(CREATES, create),
        "describe": rate(DESCRIBES, lambda number: client.describe_model(ModelName=f"m-{round_}-{number}")),
        "list of 10": rate(LISTS, lambda _: client.list_models(MaxResults=10)),
    }
    for number in range(CREATES):
        client.delete_model(ModelName=f"m-{round_}-{number}")
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    figures: dict[str, dict[str, list[float]]] = {"sagebrush": {}, "moto": {}}
    with ours() as here, moto() as there:
        clients = {"sagebrush": here.client("sagemaker"), "moto": there.client("sagemaker")}
        for number in range(-1, rounds):  # the first round warms both up and does not count
            for name, client in clients.items():
                for what, value in measure(client, number).items():
                    if number >= 0:
                        figures[name].setdefault(what, []).append(value)
    print(f"{'calls per second':<18}{'sagebrush':>12}{'moto':>12}{'ratio':>8}")
    for what, values in figures["sagebrush"].items():
        mine, theirs = median(values), median(figures["moto"][what])
        print(f"{what:<18}{mine:>12.0f}{theirs:>12.0f}{mine / theirs:>8.2f}")


if __name__ == "__main__":
    main()
