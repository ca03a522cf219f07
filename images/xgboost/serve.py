"""XGBoost serving: the user's functions where SAGEMAKER_PROGRAM names a script, otherwise the built-in algorithm."""

import importlib
import os


def main() -> None:
    """Serve the model below /opt/ml. The two ways import xgboost differently (see `lean`), so only one is loaded."""
    way = "script_serving" if os.environ.get("SAGEMAKER_PROGRAM") else "serving"
    importlib.import_module(f".{way}", __package__).main()
