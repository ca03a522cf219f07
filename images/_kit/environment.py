"""What a training container is told: /opt/ml/input/config, and the SM_* environment made of it.

Names and forms are those of AWS's training toolkit, ENVIRONMENT_VARIABLES.md.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from _kit.paths import Paths

_PREFIX = "sagemaker_"
_RESERVED = {
    "sagemaker_program",
    "sagemaker_submit_directory",
    "sagemaker_enable_cloudwatch_metrics",
    "sagemaker_region",
    "sagemaker_container_log_level",
    "sagemaker_job_name",
    "sagemaker_s3_output",
    "default_user_module_name",
    "_tuning_objective_metric",
}
_DISTRIBUTED = ("mpi", "parameter_server", "distributed_dataparallel", "pytorch_ddp", "torch_distributed")


@dataclass(frozen=True)
class Training:
    """One training job, seen from its container.

    `hyperparameters` are the user's own, decoded; `settings` those that SageMaker's SDK adds (`sagemaker_program`, …);
    `strings` all of them as they were given.
    """

    paths: Paths
    strings: dict[str, str]
    hyperparameters: dict[str, Any]
    settings: dict[str, Any]
    channels: dict[str, dict[str, str]]
    resources: dict[str, Any]

    @classmethod
    def read(cls, paths: Paths) -> "Training":
        """Read /opt/ml/input/config."""
        strings = _json(paths.config / "hyperparameters.json", {})
        values = {name: decoded(text) for name, text in strings.items()}
        settings = {name: value for name, value in values.items() if name.startswith(_PREFIX) or name in _RESERVED}
        return cls(
            paths,
            strings,
            {name: value for name, value in values.items() if name not in settings},
            settings,
            _json(paths.config / "inputdataconfig.json", {}),
            _json(paths.config / "resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]}),
        )

    @property
    def program(self) -> str | None:
        """The user's script, or None where the algorithm is the image's own."""
        return os.environ.get("SAGEMAKER_PROGRAM") or self.settings.get("sagemaker_program")

    @property
    def submit_directory(self) -> str | None:
        """Where the SDK put the user's code: an s3:// URI, a folder or an archive."""
        return self.settings.get("sagemaker_submit_directory") or os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY")

    @property
    def checkpoints(self) -> Path | None:
        """The checkpoints' folder, where the job has a CheckpointConfig."""
        config = _json(self.paths.config / "checkpointconfig.json", None)
        return Path(config.get("LocalPath") or self.paths.base / "checkpoints") if config else None

    @property
    def arguments(self) -> list[str]:
        """The user's hyperparameters as the script's arguments."""
        return arguments(self.hyperparameters)

    @cached_property
    def variables(self) -> dict[str, str]:
        """The SM_* environment of the user's script."""
        told = {**self._told, "training_env": self._told}
        told |= {f"channel_{name}": str(self.paths.channel(name)) for name in self.channels}
        told |= {f"hp_{name}": value for name, value in self.hyperparameters.items()}
        return {
            **{f"SM_{name.upper()}": _text(value) for name, value in told.items()},
            "CURRENT_HOST": self.resources["current_host"],
            "SAGEMAKER_JOB_NAME": str(self.settings.get("sagemaker_job_name", "")),
            "SAGEMAKER_REGION": str(self.settings.get("sagemaker_region") or os.environ.get("AWS_REGION", "")),
            **({"MASTER_ADDR": self.resources["hosts"][0], "MASTER_PORT": "7777"} if self._distributed else {}),
        }

    @property
    def _distributed(self) -> bool:
        return any(self.settings.get(f"sagemaker_{kind}_enabled") for kind in _DISTRIBUTED)

    @cached_property
    def _told(self) -> dict[str, Any]:
        paths, program = self.paths, self.program
        return {
            **self._machines,
            "hps": self.hyperparameters,
            "user_entry_point": program,
            "module_name": program.removesuffix(".py") if program else "",
            "module_dir": self.submit_directory or str(paths.code),
            "framework_module": os.environ.get("SAGEMAKER_TRAINING_MODULE"),
            "framework_params": {name: value for name, value in self.settings.items() if name not in _RESERVED},
            "input_data_config": self.channels,
            "channels": sorted(self.channels),
            "log_level": self.settings.get("sagemaker_container_log_level", 20),
            "input_dir": str(paths.input),
            "input_config_dir": str(paths.config),
            "output_dir": str(paths.output),
            "output_data_dir": str(paths.output_data),
            "output_intermediate_dir": str(paths.output / "intermediate"),
            "model_dir": str(paths.model),
            "job_name": os.environ.get("TRAINING_JOB_NAME"),
            "user_args": self.arguments,
        }

    @property
    def _machines(self) -> dict[str, Any]:
        groups = {group["instance_group_name"]: group for group in self.resources.get("instance_groups", ())}
        own = self.resources.get("current_group_name", "homogeneousCluster")
        return {
            "hosts": self.resources["hosts"],
            "current_host": self.resources["current_host"],
            "network_interface_name": self.resources.get("network_interface_name", "eth0"),
            "resource_config": self.resources,
            "current_instance_type": self.resources.get("current_instance_type", "local"),
            "current_instance_group": own,
            "current_instance_group_hosts": groups.get(own, {}).get("hosts", []),
            "instance_groups": list(groups),
            "instance_groups_dict": groups,
            "distribution_instance_groups": self.settings.get(
                "sagemaker_distribution_instance_groups", [own] if self._distributed else []
            ),
            "is_hetero": len(groups) > 1,
            "num_cpus": cpus(),
            "num_gpus": gpus(),
            "num_neurons": 0,
        }


def decoded(text: str) -> Any:
    """Return a hyperparameter's value: JSON where it is JSON, otherwise the text itself."""
    try:
        return json.loads(text)
    except (ValueError, TypeError):
        return text


def arguments(values: Mapping[str, Any]) -> list[str]:
    """Return `--name value …` in the names' order, `-n value` for a single letter, `a=1,b=2` for a table."""
    return list(_flattened((_option(name), _argument(values[name])) for name in sorted(values)))


def _option(name: str) -> str:
    return f"--{name}" if len(name) > 1 else f"-{name}"


def _argument(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={part}" for name, part in sorted(value.items()))
    return "" if value is None else str(value)


def _flattened(pairs: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (word for pair in pairs for word in pair)


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _json(path: Path, default: Any) -> Any:
    return json.loads(path.read_text("utf-8")) if path.exists() else default


def cpus() -> int:
    """Return how many CPUs this container may use."""
    return len(os.sched_getaffinity(0))


def gpus() -> int:
    """Return how many GPUs this container sees."""
    if not (tool := shutil.which("nvidia-smi")):
        return 0
    listed = subprocess.run([tool, "--list-gpus"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
