"""The built-in algorithm's hyperparameters: what each may be, as one table; texts are those of Amazon's container.

https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html
"""

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from _kit.errors import ClientError
from _kit.log import logger

from .metric_names import METRICS, THRESHOLDS

_log = logger("sagemaker-xgboost")
_GPU = "needs a GPU and this image computes on CPUs: use"


@dataclass(frozen=True)
class Number:
    """A number between two bounds, which belong to the range unless the brackets are round."""

    parse: Callable[[str], float]
    low: float = -math.inf
    high: float = math.inf
    brackets: str = "[]"

    def read(self, text: str) -> float:
        """Return the value. Raises ValueError where it is no number, LookupError where it is out of range."""
        value = self.parse(text)
        above = self.low < value or (self.brackets[0] == "[" and value == self.low)
        below = value < self.high or (self.brackets[1] == "]" and value == self.high)
        if not (above and below):
            raise LookupError(str(self))
        return value

    def __str__(self) -> str:
        low = f"{self.brackets[0]}{self.low:g}" if self.low > -math.inf else "(-inf"
        high = f"{self.high:g}{self.brackets[1]}" if self.high < math.inf else "+inf)"
        return f"{low}, {high}"


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    def read(self, text: str) -> str:
        """Return the word. Raises LookupError."""
        if text not in self.words:
            raise LookupError(str(list(self.words)))
        return text


@dataclass(frozen=True)
class Words:
    """A comma-separated list of words that a test accepts."""

    accepts: Callable[[str], bool]
    known: tuple[str, ...]

    def read(self, text: str) -> list[str]:
        """Return the words. Raises LookupError."""
        words = [word.strip() for word in text.split(",")]
        if not all(map(self.accepts, words)):
            raise LookupError(str(list(self.known)))
        return words


@dataclass(frozen=True)
class Literal:
    """A Python literal of integers, nested `depth` deep, that xgboost is given as text."""

    depth: int
    low: int
    high: float

    def read(self, text: str) -> str:
        """Return the text. Raises ValueError, LookupError."""
        try:
            values = ast.literal_eval(text)
        except SyntaxError as error:
            raise ValueError(text) from error
        for _ in range(self.depth - 1):
            values = [value for inner in values for value in inner]
        values = (values,) if isinstance(values, int) else values
        if not all(isinstance(value, int) and self.low <= value <= self.high for value in values):
            raise LookupError(f"[{self.low}, {self.high:g}]")
        return text


def _metric(name: str) -> bool:
    base, at, threshold = name.partition("@")
    return name in METRICS or bool(at and base in THRESHOLDS and _is_number(threshold.removesuffix("-")))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _integer(low: float = -math.inf, high: float = math.inf, brackets: str = "[]") -> Number:
    return Number(int, low, high, brackets)


def _real(low: float = -math.inf, high: float = math.inf, brackets: str = "[]") -> Number:
    return Number(float, low, high, brackets)


_SWITCH = Choice(("true", "false"))
_UPDATERS = (
    *("grow_colmaker", "distcol", "grow_histmaker", "grow_skmaker", "grow_quantile_histmaker", "grow_local_histmaker"),
    *("sync", "refresh", "prune", "shotgun", "coord_descent"),
)
_OBJECTIVES = (
    *("binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson", "multi:softmax", "multi:softprob"),
    *("rank:pairwise", "rank:ndcg", "rank:map", "reg:linear", "reg:squarederror", "reg:logistic", "reg:gamma"),
    *("reg:pseudohubererror", "reg:squaredlogerror", "reg:absoluteerror", "reg:tweedie"),
    *("survival:aft", "survival:cox"),
)

TABLE: Mapping[str, Number | Choice | Words | Literal] = {
    "num_round": _integer(1),
    "csv_weights": _integer(0, 1),
    "early_stopping_rounds": _integer(1),
    "booster": Choice(("gbtree", "gblinear", "dart")),
    "verbosity": _integer(0, 3),
    "nthread": _integer(1),
    "eta": _real(0, 1),
    "gamma": _real(0),
    "max_depth": _integer(0),
    "min_child_weight": _real(0),
    "max_delta_step": _real(0),
    "subsample": _real(0, 1, "(]"),
    "colsample_bytree": _real(0, 1, "(]"),
    "colsample_bylevel": _real(0, 1, "(]"),
    "colsample_bynode": _real(0, 1, "(]"),
    "lambda": _real(0),
    "alpha": _real(0),
    "tree_method": Choice(("auto", "exact", "approx", "hist", "gpu_hist")),
    "sketch_eps": _real(0, 1, "()"),
    "scale_pos_weight": _real(0, math.inf, "()"),
    "updater": Words(lambda word: word in _UPDATERS, _UPDATERS),
    "dsplit": Choice(("row", "col")),
    "refresh_leaf": _integer(0, 1),
    "process_type": Choice(("default", "update")),
    "grow_policy": Choice(("depthwise", "lossguide")),
    "max_leaves": _integer(0),
    "max_bin": _integer(0),
    "predictor": Choice(("auto", "cpu_predictor", "gpu_predictor")),
    "monotone_constraints": Literal(1, -1, 1),
    "interaction_constraints": Literal(2, 0, math.inf),
    "sample_type": Choice(("uniform", "weighted")),
    "normalize_type": Choice(("tree", "forest")),
    "rate_drop": _real(0, 1),
    "one_drop": _integer(0, 1),
    "skip_drop": _real(0, 1),
    "lambda_bias": _real(0, 1),
    "tweedie_variance_power": _real(1, 2, "()"),
    "objective": Choice(_OBJECTIVES),
    "num_class": _integer(2),
    "base_score": _real(0),
    "_kfold": _integer(2),
    "_num_cv_round": _integer(1),
    "_tuning_objective_metric": Words(lambda word: _metric(word.rpartition(":")[2]), METRICS),
    "eval_metric": Words(_metric, METRICS),
    "seed": _integer(-(2**31), 2**31 - 1, "()"),
    "num_parallel_tree": _integer(1),
    "save_model_on_termination": _SWITCH,
    "aft_loss_distribution": Choice(("normal", "logistic", "extreme")),
    "aft_loss_distribution_scale": _real(0),
    "deterministic_histogram": _SWITCH,
    "sampling_method": Choice(("uniform", "gradient_based")),
    "prob_buffer_row": _real(1, math.inf, "()"),
    "use_dask_gpu_training": _SWITCH,
}
_ALIASES = {"learning_rate": "eta", "min_split_loss": "gamma", "reg_lambda": "lambda", "reg_alpha": "alpha"}
_WITHOUT_EFFECT = ("predictor", "lambda_bias", "deterministic_histogram", "prob_buffer_row", "dsplit")


def validated(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the hyperparameters' values, ready for `xgb.train`. Raises ClientError that says what to mend."""
    texts = {_ALIASES.get(name, name): text for name, text in given.items()}
    if "num_round" not in texts:
        raise ClientError("Missing required hyperparameter: num_round")
    values = {name: _value(name, text) for name, text in texts.items()}
    for check in (_check_gpu, _check_objective, _check_updater, _check_constraints):
        check(values)
    if (eps := values.pop("sketch_eps", None)) is not None and values.get("tree_method") == "approx":
        values.setdefault("max_bin", math.ceil(1 / eps))  # what xgboost says it stands for
    for name in _WITHOUT_EFFECT:
        if values.pop(name, None) is not None:
            _log.warning("Hyperparameter %s has no effect in this version of XGBoost", name)
    if values.get("objective") == "reg:linear":
        values["objective"] = "reg:squarederror"
    return values


def _value(name: str, text: str) -> Any:
    if name not in TABLE:
        raise ClientError(f"Extraneous hyperparameter found: {name}")
    try:
        return TABLE[name].read(str(text))
    except ValueError as error:
        raise ClientError(f"Hyperparameter {name}: could not parse value {text!r}") from error
    except LookupError as error:
        raise ClientError(f"Hyperparameter {name}: value {text} not in range {error.args[0]}") from error


def _check_gpu(values: dict[str, Any]) -> None:
    if values.get("tree_method") == "gpu_hist":
        raise ClientError(f"Hyperparameter tree_method: gpu_hist {_GPU} hist")
    if values.get("predictor") == "gpu_predictor":
        raise ClientError(f"Hyperparameter predictor: gpu_predictor {_GPU} cpu_predictor")
    if values.pop("use_dask_gpu_training", "false") == "true":
        raise ClientError(f"Hyperparameter use_dask_gpu_training: true {_GPU} false")


def _check_objective(values: dict[str, Any]) -> None:
    objective = values.get("objective", "reg:squarederror")
    if objective.startswith("multi:") and "num_class" not in values:
        raise ClientError("Require input for parameter 'num_class' for multi-classification")
    metrics = values.get("eval_metric", ())
    if "auc" in metrics and not objective.startswith(("binary:", "rank:", "multi:")):
        raise ClientError("Metric 'auc' can only be applied for classification and ranking problems.")
    if "aft-nloglik" in metrics and objective != "survival:aft":
        raise ClientError("Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.")


def _check_updater(values: dict[str, Any]) -> None:
    if not (updaters := values.get("updater")):
        return
    if values.get("booster") == "gblinear":
        if len(updaters) != 1 or updaters[0] not in ("shotgun", "coord_descent"):
            raise ClientError("Linear updater should be one of these options: 'shotgun', 'coord_descent'.")
    elif values.get("process_type") == "update":
        if not set(updaters) <= {"refresh", "prune"}:
            raise ClientError("process_type 'update' can only be used with updater 'refresh' and 'prune'")
    elif sum(name.startswith(("grow_", "distcol")) for name in updaters) > 1:
        raise ClientError("Only one tree grow plugin can be selected.")
    values["updater"] = ",".join(updaters)


def _check_constraints(values: dict[str, Any]) -> None:
    for name, methods in (("monotone", ("exact", "hist")), ("interaction", ("exact", "hist", "approx"))):
        if f"{name}_constraints" in values and values.get("tree_method") not in methods:
            told = " or ".join(f"'{method}'" for method in methods)
            raise ClientError(f"{name}_constraints can be used only when the tree_method parameter is set to {told}.")
