"""XGBoost training: the user's script where there is one, otherwise the built-in algorithm."""

import importlib

from _kit import outcome, script
from _kit.environment import Training
from _kit.paths import Paths


def main() -> None:
    """Run the training job below /opt/ml."""
    paths = Paths.read()
    outcome.report(lambda: train(Training.read(paths)), paths)


def train(job: Training) -> None:
    """Run one job. A user's script starts at once: only the built-in algorithm loads xgboost here."""
    if job.program is not None:
        script.train(job)
    else:
        importlib.import_module(".algorithm", __package__).train(job)
