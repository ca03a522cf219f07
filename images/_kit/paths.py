"""Where things lie below /opt/ml, as SageMaker's container contract has it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The folders and files of one job; `base` is /opt/ml unless SAGEMAKER_BASE_DIR moves it."""

    base: Path

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> "Paths":
        """Return the paths that this process lives with."""
        return cls(Path(environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")))

    @property
    def input(self) -> Path:
        return self.base / "input"

    @property
    def config(self) -> Path:
        return self.input / "config"

    def channel(self, name: str) -> Path:
        """Return the folder of a channel's data."""
        return self.input / "data" / name

    @property
    def code(self) -> Path:
        return self.base / "code"

    @property
    def model(self) -> Path:
        return self.base / "model"

    @property
    def output(self) -> Path:
        return self.base / "output"

    @property
    def output_data(self) -> Path:
        return self.output / "data"

    @property
    def failure(self) -> Path:
        return self.output / "failure"
