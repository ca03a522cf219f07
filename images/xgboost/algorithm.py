"""The built-in algorithm's training: hyperparameters and channels in, /opt/ml/model/xgboost-model out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _kit.environment import Training
from _kit.errors import AlgorithmError, ClientError
from _kit.log import logger

from . import callbacks, channels, folds, metrics
from .hyperparameters import validated
from .lean import xgb

_log = logger("sagemaker-xgboost")

_USERS_FAULT = (
    "label must be in [0,1] for logistic regression",
    "label must be in [0, num_class)",
    "Target is multiclass but average='binary'",
    "feature_names mismatch",
    "Check failed: preds.size() == info.labels",
    "the dataset only contains pos or neg samples",
    "base_score must be in (0,1)",
    "label must be nonnegative",
    "should be greater equal to 0",
    "Label contains NaN",
)
_OWN = ("num_round", "csv_weights", "early_stopping_rounds", "save_model_on_termination", "_kfold", "_num_cv_round")


@dataclass(frozen=True)
class Plan:
    """How to boost: what goes to xgboost as it is, and what the container itself does around it."""

    parameters: dict[str, Any]
    rounds: int
    metrics: list[str]
    early_stopping: int | None
    keep_when_stopped: bool
    model: Path
    checkpoints: Path | None

    @property
    def objective(self) -> str:
        """The objective, as xgboost has it by default."""
        return str(self.parameters.get("objective", "reg:squarederror"))


def train(job: Training) -> None:
    """Train on the job's channels. Raises ClientError, AlgorithmError."""
    values = validated(_user_strings(job))
    if len(job.resources["hosts"]) > 1:
        raise ClientError("Distributed training is not supported yet: set InstanceCount to 1")
    channels.check(job.channels)
    train_table, validation_table = _tables(job, csv_weights=values.get("csv_weights") == 1)
    plan = _plan(job, values)
    _log.info("Train matrix has %d rows and %d columns", *train_table.features.shape)
    try:
        models = _fit(job, plan, values, train_table, validation_table)
    except (xgb.core.XGBoostError, ValueError) as error:
        text = str(error).partition("\nStack trace:")[0]
        if any(fault in text for fault in _USERS_FAULT):
            raise ClientError(text) from error
        raise AlgorithmError(f"XGB train call failed with exception:\n {text}") from error
    job.paths.model.mkdir(parents=True, exist_ok=True)
    for suffix, model in models.items():
        callbacks.save(model, plan.model.with_name(plan.model.name + suffix))


def boost(plan: Plan, train: Any, validation: Any, fold: int | None = None) -> tuple[Any, dict[str, dict[str, float]]]:
    """Return a model and its last scores. A fold has its own model file and its own checkpoints."""
    suffix = "" if fold is None else f"-{fold}"
    checkpoints = plan.checkpoints and (plan.checkpoints if fold is None else plan.checkpoints / f"model{suffix}")
    start, first = callbacks.resume(checkpoints)
    after: list[Any] = [callbacks.Monitor(first)]
    if checkpoints:
        after.append(callbacks.Checkpoints(checkpoints, first))
    if plan.keep_when_stopped:
        after.append(callbacks.Intermediate(plan.model.with_name(plan.model.name + suffix)))
    watched = [(train, "train")]
    if validation is not None:
        watched.append((validation, "validation"))
        if plan.early_stopping:
            best = plan.parameters.get("booster") != "gblinear"  # a linear model has no rounds to cut off
            after.append(callbacks.early_stopping(plan.early_stopping, plan.metrics, best=best))
    elif plan.early_stopping:
        _log.warning("early_stopping_rounds has no effect: there is no validation channel")
    scores: dict[str, dict[str, list[float]]] = {}
    model = xgb.train(
        plan.parameters,
        train,
        num_boost_round=plan.rounds - first,
        evals=watched,
        custom_metric=metrics.custom(plan.metrics, plan.objective),
        evals_result=scores,
        callbacks=after,
        xgb_model=start,
        verbose_eval=False,
    )
    return model, {data: {name: values[-1] for name, values in told.items()} for data, told in scores.items()}


def _fit(
    job: Training, plan: Plan, values: dict[str, Any], train: channels.Table, validation: channels.Table | None
) -> dict[str, Any]:
    """Return the models by what their file names end with."""
    if "_kfold" in values:
        return folds.cross_validate(
            lambda one, other, fold: boost(plan, one, other, fold),
            _together(train, validation),
            folds.Folds(values["_kfold"], values.get("_num_cv_round", 1), values.get("seed", 0)),
            plan.objective,
            plan.rounds,
            job.paths.output_data,
        )
    model, _ = boost(plan, _matrix(train), None if validation is None else _matrix(validation))
    return {"": model}


def _user_strings(job: Training) -> dict[str, str]:
    return {name: text for name, text in job.strings.items() if not name.startswith("sagemaker_")}


def _tables(job: Training, *, csv_weights: bool) -> tuple[channels.Table, channels.Table | None]:
    found = {}
    for name in ("train", "validation"):
        if name in job.channels:
            content_type = job.channels["train"].get("ContentType")
            found[name] = channels.read(job.paths.channel(name), content_type, csv_weights=csv_weights)
    if "validation" not in found:
        return found["train"], None
    channels.same_files(job.paths.channel("train"), job.paths.channel("validation"))
    width = max(table.features.shape[1] for table in found.values())
    return channels.widened(found["train"], width), channels.widened(found["validation"], width)


def _plan(job: Training, values: dict[str, Any]) -> Plan:
    names = list(values.get("eval_metric", ()))
    for named in values.get("_tuning_objective_metric", ()):
        metric = named.rpartition(":")[2]
        names = [*(name for name in names if name != metric), metric]  # the last one decides on early stopping
    parameters = {
        name: value for name, value in values.items() if name not in (*_OWN, "_tuning_objective_metric", "eval_metric")
    }
    if names:
        parameters["eval_metric"] = [name for name in names if name not in metrics.CUSTOM]
        parameters["disable_default_eval_metric"] = not parameters["eval_metric"]
    return Plan(
        parameters,
        values["num_round"],
        names,
        values.get("early_stopping_rounds"),
        values.get("save_model_on_termination") == "true",
        job.paths.model / callbacks.MODEL,
        job.checkpoints,
    )


def _matrix(table: channels.Table) -> Any:
    return xgb.DMatrix(table.features, label=table.labels, weight=table.weights)


def _together(train: channels.Table, validation: channels.Table | None) -> Any:
    return _matrix(train if validation is None else channels.together([train, validation]))
