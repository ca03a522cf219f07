"""XGBoost's serving: formats in and out, selectable inference, ensembles, and what is refused."""

import gzip
import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import SHARED
from tests.images.contract import Container

from _kit import record, recordio

MAKE = """
import sys, numpy as np, xgboost as xgb
path, objective, classes, booster = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
x = np.random.default_rng(0).random((200, 3), np.float32)
y = (x[:, 0] * (classes or 2)).astype(int)
parameters = {"objective": objective, "max_depth": 2, "booster": booster, "seed": int(sys.argv[5])}
if classes: parameters["num_class"] = classes
model = xgb.train(parameters, xgb.DMatrix(x, label=y), 3)
open(path, "wb").write(model.save_raw(raw_format=sys.argv[6]))
print(model.predict(xgb.DMatrix(np.array([[0.1, 0.2, 0.3], [0.9, 0.2, np.nan]], np.float32))).tolist())
"""
ROWS = "0.1,0.2,0.3\n0.9,0.2,\n"


@pytest.fixture
def container(base: Path, image_python: Callable[[str], Path]) -> Container:
    """A serving container without a model."""
    (base / "model").mkdir()
    return Container("xgboost", base, image_python("xgboost"), {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"})


def make(container: Container, objective: str = "binary:logistic", classes: int = 0, **how: str) -> list[object]:
    """Put a model into the container; return its predictions for the two ROWS."""
    path = container.base / "model" / how.get("name", "xgboost-model")
    settings = [how.get("booster", "gbtree"), how.get("seed", "0"), how.get("form", "ubj")]
    command = [str(container.python), "-W", "ignore", "-c", MAKE, str(path), objective, str(classes), *settings]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    predictions: list[object] = json.loads(done.stdout.splitlines()[-1])
    return predictions


def test_csv_comes_back_as_one_line_for_all_rows(container: Container) -> None:
    expected = make(container)
    with container.serving() as server:
        answer = server.predict(ROWS)
        assert answer.text == ",".join(map(str, expected))
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert server.predict("0.1,0.2,0.3").text == str(expected[0])
        assert server.predict("0.1\t0.2\t0.3").text == str(expected[0])
        assert server.predict("0.1,0.2,0.3\r\n0.9,0.2,\r\n").text == answer.text


def test_other_formats_in_and_out(container: Container) -> None:
    expected = make(container)
    sparse = record.Record({"values": record.tensor([0.9, 0.2], keys=[0, 1], shape=[3])}, {})
    dense = record.Record({"values": record.tensor([0.1, 0.2, 0.3], "float64")}, {})
    with container.serving() as server:
        assert server.predict("0 0:0.1 1:0.2 2:0.3\n1 0:0.9 1:0.2\n", "text/libsvm").text == ",".join(
            map(str, expected)
        )
        assert server.predict("0 0:0.9 1:0.2", "text/x-libsvm").text == str(expected[1])
        kind = "application/x-recordio-protobuf"
        assert server.predict(recordio.frame(record.encode(dense)), kind).text == str(expected[0])
        assert server.predict(recordio.frame(record.encode(sparse)), kind).text == str(expected[1])
        answer = server.predict(ROWS, accept="application/json")
        assert json.loads(answer.text) == {"predictions": [{"score": score} for score in expected]}
        assert answer.headers["Content-Type"] == "application/json"
        lines = server.predict(ROWS, accept="application/jsonlines").text.splitlines()
        assert [json.loads(line) for line in lines] == [{"score": score} for score in expected]
        records = recordio.records(io.BytesIO(server.predict(ROWS, accept=kind).body))
        assert [list(record.decode(one).label["score"].values) for one in records] == [[score] for score in expected]
        assert json.loads(server.ask("GET", "/execution-parameters").text)["BatchStrategy"] == "MULTI_RECORD"


def test_probabilities_of_classes_are_lists(container: Container) -> None:
    expected = make(container, "multi:softprob", 3)
    with container.serving() as server:
        assert server.predict("0.1,0.2,0.3").text == str(expected[0])
        assert (
            json.loads(server.predict(ROWS, accept="application/json").text)["predictions"][1]["score"] == expected[1]
        )


def test_in_batch_transform_each_prediction_has_a_line(container: Container) -> None:
    expected = make(container)
    container.environment["SAGEMAKER_BATCH"] = "true"
    with container.serving() as server:
        assert server.predict(ROWS).text == "".join(f"{score}\n" for score in expected)


def test_what_cannot_be_read_or_answered_is_refused_in_awss_words(container: Container) -> None:
    make(container)
    with container.serving() as server:
        cases = [
            (server.predict("[[1,2,3]]", "application/json"), 415, "application/json is not an accepted ContentType"),
            (
                server.predict(ROWS, "application/x-parquet"),
                415,
                "Content-type application/x-parquet is not supported.",
            ),
            (
                server.predict("a,b,c"),
                415,
                "Loading csv data failed with Exception, please ensure data is in csv format:",
            ),
            (server.predict("1,2,3\n4,5"), 415, "Loading csv data failed with Exception"),
            (server.predict("1 x:3", "text/libsvm"), 415, "Loading libsvm data failed with Exception"),
            (server.predict(b"\xff\xfe", "text/csv"), 415, "Loading csv data failed with Exception"),
            (server.predict(b"abc", "application/x-recordio-protobuf"), 415, "Loading recordio-protobuf data failed"),
            (
                server.predict("1,2,3,4"),
                400,
                "Unable to evaluate payload provided: Feature size of csv inference data 4",
            ),
            (
                server.predict("1 9:1", "text/libsvm"),
                400,
                "Unable to evaluate payload provided: Feature size of libsvm",
            ),
            (server.predict(ROWS, accept="image/png"), 406, "Accept type image/png is not supported."),
        ]
        for answer, status, text in cases:
            assert (answer.status, answer.text[: len(text)]) == (status, text)
        assert server.predict("").status == 204
        assert server.ask("GET", "/ping").status == 200


def test_selected_outputs_come_in_the_order_asked_for(container: Container) -> None:
    low, high = make(container)
    assert isinstance(low, float)
    assert isinstance(high, float)
    container.environment["SAGEMAKER_INFERENCE_OUTPUT"] = (
        "predicted_label, probability,probabilities,labels,predicted_score"
    )
    with container.serving() as server:
        lines = server.predict(ROWS).text.splitlines()
        assert lines[0] == f'0,{low},"[{1 - low}, {low}]","[0, 1]",nan'
        assert lines[1].startswith(f"1,{high},")
        first = json.loads(server.predict(ROWS, accept="application/jsonlines").text.splitlines()[0])
        assert first["predicted_label"] == 0
        assert first["probabilities"] == [1 - low, low]
        whole = json.loads(server.predict(ROWS, accept="application/json").text)
        assert list(whole["predictions"][0]) == [
            "predicted_label",
            "probability",
            "probabilities",
            "labels",
            "predicted_score",
        ]


@pytest.mark.parametrize(
    ("objective", "classes", "keys"),
    [
        ("multi:softprob", 3, "predicted_label,probability,raw_scores,labels"),
        ("multi:softmax", 3, "predicted_label,raw_score"),
        ("binary:hinge", 0, "predicted_label,raw_scores"),
        ("binary:logitraw", 0, "predicted_label,raw_score"),
        ("reg:squarederror", 0, "predicted_score"),
    ],
)
def test_selectable_outputs_fit_the_objective(container: Container, objective: str, classes: int, keys: str) -> None:
    expected = make(container, objective, classes)
    container.environment["SAGEMAKER_INFERENCE_OUTPUT"] = keys
    with container.serving() as server:
        told = json.loads(server.predict(ROWS, accept="application/json").text)["predictions"]
    assert [set(one) for one in told] == [set(keys.split(","))] * 2
    for one, raw in zip(told, expected, strict=True):
        if isinstance(raw, list):
            assert one["predicted_label"] == raw.index(max(raw))
            assert one["raw_scores"] == raw
            assert one["labels"] == [0, 1, 2]
        else:
            assert raw in (one.get("raw_score"), one.get("predicted_score"), one.get("raw_scores", [None])[-1])
            if objective == "binary:logitraw":
                assert isinstance(raw, float)
                assert one["predicted_label"] == int(raw > 0)


def test_models_of_folds_predict_their_mean_or_the_first_alone(container: Container) -> None:
    first = make(container, name="xgboost-model-0")
    second = make(container, "binary:logistic", name="xgboost-model-1", form="json", booster="dart")
    container.write("model/xgboost-model-2", (container.base / "model/xgboost-model-0").read_bytes())
    with container.serving() as server:
        means = [float(word) for word in server.predict(ROWS).text.split(",")]
    assert means == pytest.approx([(2 * a + b) / 3 for a, b in zip(first, second, strict=True)])  # type: ignore[operator]
    container.environment["SAGEMAKER_INFERENCE_ENSEMBLE"] = "false"
    with container.serving() as server:
        assert server.predict(ROWS).text == ",".join(map(str, first))


@pytest.mark.parametrize("form", ["json", "ubj"])
def test_models_saved_elsewhere_are_loaded_under_any_name(container: Container, form: str) -> None:
    expected = make(container, name=f"mine.{form}", form=form)
    container.write("model/.DS_Store", "noise")
    with container.serving() as server:
        assert server.predict(ROWS).text == ",".join(map(str, expected))


def test_a_linear_model_is_served(container: Container) -> None:
    expected = make(container, booster="gblinear")
    with container.serving() as server:
        told = [float(word) for word in server.predict(ROWS).text.split(",")]
    assert told == pytest.approx(expected)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\x80\x03cxgboost.core\nBooster\n", "xgboost-model is a pickle, as XGBoost containers up to 1.2 wrote them."),
        (b"binf\x00\x00\x00\x3f", "xgboost-model is in the binary format that XGBoost removed in 3.1"),
        (b"{not json", "Model xgboost-model cannot be loaded:"),
        (None, "there is no model in"),
    ],
)
def test_a_model_that_cannot_be_served_says_why(container: Container, data: bytes | None, told: str) -> None:
    if data is not None:
        container.write("model/xgboost-model", data)
    result = container.run("serve")
    assert result.code == 1
    assert told in result.log


def test_a_model_pickled_by_an_old_container_is_told_apart(container: Container) -> None:
    archive = SHARED / "data/sagemaker-sdk/xgboost_abalone_xgb_model.tar.gz"
    if not archive.exists():
        pytest.skip("../shared/data/sagemaker-sdk is not here")
    with gzip.open(archive) as unzipped, tarfile.open(fileobj=io.BytesIO(unzipped.read())) as model:
        model.extractall(container.base / "model", filter="data")
    result = container.run("serve")
    assert result.code == 1
    assert "is a pickle" in result.log or "is in the binary format" in result.log


def test_a_users_script_serves_with_xgboosts_defaults(container: Container) -> None:
    expected = make(container)
    container.environment["SAGEMAKER_PROGRAM"] = "inference.py"
    container.write(
        "model/code/inference.py",
        "import os, xgboost\nfrom xgboost import XGBClassifier\n"
        "def model_fn(model_dir):\n"
        "    assert XGBClassifier(n_estimators=1).get_params()\n"
        "    return xgboost.Booster(model_file=os.path.join(model_dir, 'xgboost-model'))\n",
    )
    with container.serving() as server:
        assert json.loads(server.predict(ROWS).text) == pytest.approx(expected)
        assert server.predict("0 0:0.9 1:0.2", "text/libsvm", accept="text/csv").text == f"{expected[1]:.8g}\n"
        assert server.predict("x,y").status == 400
        assert server.predict("{}", "application/json").status == 415
