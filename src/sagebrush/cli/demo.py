"""`sagebrush demo`."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from sagebrush.cli import options, run
from sagebrush.cli.images import build
from sagebrush.kernel.compute.images import Images

_ROOT = Path(__file__).parents[3]
_SCRIPT = _ROOT / "examples" / "demo.py"


@click.command("demo", help="Train, deploy and use a model on real data, through the real sagemaker SDK.")
@options.settings("data", "cache")
def command(data: str | None, cache: str | None) -> None:
    """Build what the demo needs, and run it as a user's script."""
    settings = options.read(data=data, cache=cache)
    python = next((python for python in _pythons() if _has_sdk(python)), None)
    if python is None or not _SCRIPT.exists():
        message = "The demo needs the sagemaker SDK, version 2, and scikit-learn. `make demo` sets everything up."
        raise click.ClickException(message)
    images = Images(settings.cache)
    xgboost = images.get("xgboost")
    if xgboost is not None:
        build(images, xgboost)
    sys.exit(run.execute(settings, [python, str(_SCRIPT)]))


def _pythons() -> Iterator[str]:
    """Yield the interpreters that may have the SDK: the environment that `make demo` makes, then the user's own."""
    yield str(_ROOT / ".envs" / "v2" / "bin" / "python")
    yield from filter(None, (shutil.which(name) for name in ("python", "python3")))


def _has_sdk(python: str) -> bool:
    """Tell whether an interpreter has the packages, without the seconds that importing them takes."""
    look = "from importlib.metadata import version as v; v('scikit-learn'); assert v('sagemaker').startswith('2.')"
    try:
        return subprocess.run([python, "-c", look], capture_output=True, check=False).returncode == 0
    except OSError:
        return False
