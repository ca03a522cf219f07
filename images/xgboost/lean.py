"""`xgb`: the xgboost package, imported without scikit-learn.

xgboost imports all of scikit-learn, which takes a second, for its estimator classes. The built-in algorithm has no use
for them. User code must not meet this: where a user's script runs, nothing imports this module.
"""

import sys
from typing import Any

_modules: dict[str, Any] = sys.modules
_modules["sklearn"] = None  # an import of it now raises ImportError, which xgboost is prepared for
import xgboost as xgb  # noqa: E402  (see above)

del _modules["sklearn"]

__all__ = ["xgb"]
