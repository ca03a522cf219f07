"""Names of evaluation metrics: which are known, and which are better when they are larger."""

MAXIMIZED = (
    *("accuracy", "auc", "aucpr", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "map", "ndcg", "precision"),
    *("precision_macro", "precision_micro", "r2", "recall", "recall_macro", "recall_micro"),
    "interval-regression-accuracy",
)
MINIMIZED = (
    *("aft-nloglik", "cox-nloglik", "error", "gamma-deviance", "gamma-nloglik", "logloss", "mae", "mape", "merror"),
    *("mlogloss", "mphe", "mse", "poisson-nloglik", "rmse", "rmsle", "tweedie-nloglik"),
)
METRICS = MAXIMIZED + MINIMIZED
THRESHOLDS = ("error", "ndcg", "map")
"""Metrics that may be followed by `@` and a number."""


def maximized(name: str) -> bool:
    """Tell whether more is better."""
    return name.partition("@")[0] in MAXIMIZED
