"""What XGBoost's built-in training refuses: the failure file says what to mend, in the words of Amazon's container."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.images.contract import Container

BINARY: dict[str, object] = {"objective": "binary:logistic", "num_round": 5}


@pytest.fixture
def job(base: Path, image_python: Callable[[str], Path]) -> Container:
    """A training job."""
    return Container("xgboost", base, image_python("xgboost"))


REFUSED = [
    ({}, "Missing required hyperparameter: num_round"),
    ({"num_round": 0}, "Hyperparameter num_round: value 0 not in range [1, +inf)"),
    ({"num_round": "ten"}, "Hyperparameter num_round: could not parse value 'ten'"),
    ({"num_round": 5, "foo": 1}, "Extraneous hyperparameter found: foo"),
    ({"num_round": 5, "eta": 2}, "Hyperparameter eta: value 2 not in range [0, 1]"),
    ({"num_round": 5, "learning_rate": -1}, "Hyperparameter eta: value -1 not in range [0, 1]"),
    ({"num_round": 5, "subsample": 0}, "Hyperparameter subsample: value 0 not in range (0, 1]"),
    ({"num_round": 5, "booster": "forest"}, "Hyperparameter booster: value forest not in range ['gbtree',"),
    (
        {"num_round": 5, "objective": "multi:softmax"},
        "Require input for parameter 'num_class' for multi-classification",
    ),
    ({"num_round": 5, "eval_metric": "sharpness"}, "Hyperparameter eval_metric: value sharpness not in range"),
    ({"num_round": 5, "eval_metric": "auc"}, "Metric 'auc' can only be applied for classification and ranking"),
    ({"num_round": 5, "tree_method": "gpu_hist"}, "Hyperparameter tree_method: gpu_hist needs a GPU and this image"),
    (
        {"num_round": 5, "monotone_constraints": "(1,2)"},
        "Hyperparameter monotone_constraints: value (1,2) not in range [-1, 1]",
    ),
    ({"num_round": 5, "monotone_constraints": "(1,0)"}, "monotone_constraints can be used only when the tree_method"),
    ({"num_round": 5, "updater": "grow_colmaker,grow_histmaker"}, "Only one tree grow plugin can be selected."),
    ({"num_round": 5, "_kfold": 1}, "Hyperparameter _kfold: value 1 not in range [2, +inf)"),
]


@pytest.mark.parametrize(("hyperparameters", "told"), REFUSED)
def test_hyperparameters_that_are_wrong_say_what_to_mend(
    job: Container, hyperparameters: dict[str, object], told: str
) -> None:
    job.write("input/data/train/a.csv", "1,2\n0,3\n")
    job.configure(hyperparameters, train="text/csv")
    assert job.failure().startswith(f"ClientError: {told}")
    assert not (job.base / "model/xgboost-model").exists()


BROKEN = [
    ("text/csv", "label,age\n1,2\n", "ClientError: Failed to load csv data with exception:\na.data: "),
    ("text/csv", "1,2,3\n1,2\n", "ClientError: Failed to load csv data with exception:\na.data: "),
    ("text/csv", "1\n2\n", "ClientError: Failed to load csv data with exception:\na.data: rows have 1 columns"),
    (
        "text/libsvm",
        "1 0:2\nyes 0:3\n",
        "ClientError: Failed to load libsvm data with exception:\na.data: 'yes 0:3' is not",
    ),
    ("application/x-parquet", "no parquet", "ClientError: Failed to load parquet data with exception:\na.data: "),
    ("application/x-recordio-protobuf", "no recordio", "ClientError: Failed to load recordio-protobuf data with"),
    ("application/json", "{}", "ClientError: application/json is not an accepted ContentType: csv, text/csv, libsvm"),
    ("text/csv;label_size=2", "1,2\n", "ClientError: text/csv;label_size=2 is not an accepted csv ContentType."),
    ("text/csv", "", "ClientError: No data in the channel at path"),
    ("text/csv", "7,2\n1,3\n", "ClientError: "),
]


@pytest.mark.parametrize(("content_type", "data", "told"), BROKEN)
def test_data_that_cannot_be_used_name_the_file_and_the_fault(
    job: Container, content_type: str, data: str, told: str
) -> None:
    job.write("input/data/train/a.data", data)
    job.configure(BINARY, train=content_type)
    failure = job.failure()
    assert failure.startswith(told)
    assert "Stack trace" not in failure


def test_channels_that_are_missing_or_unknown_are_named(job: Container) -> None:
    job.configure(BINARY)
    assert job.failure() == "ClientError: Missing required channel: train"
    (job.base / "output/failure").unlink()
    job.configure(BINARY, train="text/csv", testing="text/csv")
    assert job.failure() == "ClientError: Extraneous channel found: testing"


def test_several_hosts_are_refused_by_name(job: Container) -> None:
    job.configure(BINARY, train="text/csv")
    job.write("input/config/resourceconfig.json", json.dumps({"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]}))
    assert "InstanceCount" in job.failure()
