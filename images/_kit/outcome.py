"""How a training container ends: /opt/ml/output/success or /opt/ml/output/failure, and its exit code."""

import sys
import traceback
from collections.abc import Callable

from _kit.errors import AlgorithmError, ClientError, CommandError
from _kit.log import logger
from _kit.paths import Paths

_log = logger("sagemaker-training-toolkit")


def report(train: Callable[[], None], paths: Paths) -> None:
    """Run `train` and leave the process with its outcome.

    A failure's text goes to the failure file, unless the user's code wrote one itself, and to the log. The exit code is
    1, or the error's errno where it has one, as with AWS's training toolkit.
    """
    paths.output.mkdir(parents=True, exist_ok=True)
    code = 0
    try:
        train()
    except (ClientError, AlgorithmError, CommandError) as error:
        code = _fail(paths, str(error), 1)
    except Exception as error:  # noqa: BLE001  (whatever it is, the user must find it in the failure file)
        text = f"Framework Error: \n{traceback.format_exc()}\n{error}"
        code = _fail(paths, text, getattr(error, "errno", None) or 1)
    else:
        _log.info("Reporting training SUCCESS")
        (paths.output / "success").touch()
    sys.exit(code)


def _fail(paths: Paths, text: str, code: int) -> int:
    if not paths.failure.exists():
        paths.failure.write_text(text, "utf-8")
    _log.error("Reporting training FAILURE")
    _log.error("%s", text)
    return code
