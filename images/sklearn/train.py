"""scikit-learn training: always the user's script."""

from _kit import outcome, script
from _kit.environment import Training
from _kit.errors import ClientError
from _kit.paths import Paths


def main() -> None:
    """Run the training job below /opt/ml."""
    paths = Paths.read()
    outcome.report(lambda: train(Training.read(paths)), paths)


def train(job: Training) -> None:
    """Run the user's script. Raises ClientError where the job has none."""
    if job.program is None:
        raise ClientError("sagemaker_program is missing: this image trains with a script of your own (entry_point)")
    script.train(job)
