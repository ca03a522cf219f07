"""The scikit-learn image: a user's scripts train, process and serve, with the libraries they expect."""

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.images.contract import Container

TRAIN = """
import argparse, os
import joblib, pandas as pd
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

parser = argparse.ArgumentParser()
parser.add_argument("--max_iter", type=int)
parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
arguments = parser.parse_args()
table, target = load_iris(return_X_y=True, as_frame=True)
model = LogisticRegression(max_iter=arguments.max_iter).fit(table.to_numpy(), target)
print(f"accuracy: {model.score(table.to_numpy(), target):.3f}")
joblib.dump(model, os.path.join(arguments.model_dir, "model.joblib"))
"""
MODEL_FN = """
import os
def model_fn(model_dir):
    import joblib
    return joblib.load(os.path.join(model_dir, "model.joblib"))
"""
FLOWERS = "5.1,3.5,1.4,0.2\n6.7,3.0,5.2,2.3\n"


@pytest.fixture
def container(base: Path, image_python: Callable[[str], Path]) -> Container:
    """A container of the image."""
    (base / "model").mkdir()
    return Container("sklearn", base, image_python("sklearn"))


@pytest.fixture
def trained(container: Container) -> Container:
    """The same, with a model of iris that a user's script trained."""
    container.write("code/train.py", TRAIN)
    container.configure({"sagemaker_program": "train.py", "max_iter": 500})
    assert "accuracy: 0.9" in container.train().output
    container.environment["SAGEMAKER_PROGRAM"] = "inference.py"
    return container


def test_a_model_is_trained_and_served_with_the_frameworks_defaults(trained: Container) -> None:
    trained.write("model/code/inference.py", MODEL_FN)
    with trained.serving() as server:
        assert server.predict(FLOWERS).text == "[0, 2]"
        assert server.predict(FLOWERS).headers["Content-Type"] == "application/json"
        assert server.predict("5.1,3.5,1.4,0.2", accept="text/csv").text == "0\n"
        assert server.predict(FLOWERS, accept="text/csv").text == "0\n2\n"
        assert server.predict("[[5.1,3.5,1.4,0.2]]", "application/json").text == "[0]"
        assert server.predict("[[5.1,3.5,1.4,0.2]]", "application/json; charset=utf-8").text == "[0]"
        npy = server.predict(FLOWERS, accept="application/x-npy")
        assert npy.body.startswith(b"\x93NUMPY")
        assert npy.body.endswith((0).to_bytes(8, "little") + (2).to_bytes(8, "little"))
        assert server.predict(FLOWERS, accept="*/*").text == "[0, 2]"
        assert server.predict(FLOWERS, accept="image/png, text/csv;q=0.5").text == "0\n2\n"
        assert server.ask("GET", "/execution-parameters").status == 200


def test_what_the_default_functions_cannot_read_or_write_gets_its_own_status(trained: Container) -> None:
    trained.write("model/code/inference.py", MODEL_FN)
    with trained.serving() as server:
        refused = server.predict(b"x", "image/png")
        assert refused.status == 415
        assert "Content type image/png is not supported by this framework." in refused.text
        assert server.predict(FLOWERS, accept="image/png").status == 406
        assert server.predict("[[1, 2", "application/json").status == 400
        assert server.predict("a,b,c,d\n").status == 400
        assert server.predict(b"\x93NUMPY\x01garbage", "application/x-npy").status == 400
        wrong = server.predict("1,2\n")
        assert wrong.status == 500
        assert "X has 2 features, but LogisticRegression is expecting 4 features" in wrong.text


def test_pickled_arrays_are_not_loaded(trained: Container) -> None:
    trained.write("model/code/inference.py", MODEL_FN)
    header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + "\n"
    body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + b"cos\nsystem\n(S'true'\ntR."
    with trained.serving() as server:
        answer = server.predict(body, "application/x-npy")
        assert answer.status == 400
        assert "allow_pickle=False" in answer.text


def test_the_users_functions_take_the_place_of_the_defaults(trained: Container) -> None:
    trained.write(
        "model/code/inference.py",
        MODEL_FN
        + """
import json
from helper import names                                      # beside it in the code folder
def input_fn(body, content_type):
    assert isinstance(body, str) and content_type == "application/json"
    return [json.loads(body)["flower"]]
def predict_fn(data, model, context):
    assert context.system_properties["model_dir"].endswith("/model")
    assert context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes") == "trace=1"
    context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "trace=2")
    return names[model.predict(data)[0]]
def output_fn(prediction, accept):
    return f"<{prediction}>", "text/html"
""",
    )
    trained.write("model/code/helper.py", "names = ['setosa', 'versicolor', 'virginica']")
    with trained.serving() as server:
        body = json.dumps({"flower": [6.7, 3.0, 5.2, 2.3]})
        answer = server.predict(body, "application/json", x_amzn_sagemaker_custom_attributes="trace=1")
        assert (answer.status, answer.text, answer.headers["Content-Type"]) == (200, "<virginica>", "text/html")
        assert {name.lower(): value for name, value in answer.headers.items()}[
            "x-amzn-sagemaker-custom-attributes"
        ] == "trace=2"


def test_transform_fn_does_it_all_and_may_stream(container: Container) -> None:
    container.environment["SAGEMAKER_PROGRAM"] = "serve_me.py"
    container.write(
        "model/code/serve_me.py",
        "def model_fn(model_dir):\n    return 'model'\n"
        "def transform_fn(model, data, content_type, accept):\n"
        "    return (f'{model} {word} '.encode() for word in data.decode().split())\n",
    )
    with container.serving() as server:
        answer = server.predict("a b c", "text/plain", accept="text/plain")
        assert answer.text == "model a model b model c "
        assert answer.headers["Content-Type"] == "text/plain"
        assert answer.headers["Transfer-Encoding"] == "chunked"


def test_transform_fn_beside_the_other_functions_is_refused(container: Container) -> None:
    container.environment["SAGEMAKER_PROGRAM"] = "inference.py"
    container.write("model/code/inference.py", MODEL_FN + "def transform_fn(*a): pass\ndef input_fn(a, b): pass\n")
    result = container.run("serve")
    assert result.code == 1
    assert "Cannot use transform_fn implementation in conjunction with input_fn" in result.log


def test_a_module_without_model_fn_says_what_to_write(container: Container) -> None:
    container.write("model/code/inference.py", "")
    result = container.run("serve")
    assert result.code == 1
    assert "Please provide a model_fn implementation." in result.log


def test_a_missing_script_is_named(container: Container) -> None:
    container.environment["SAGEMAKER_PROGRAM"] = "mine.py"
    result = container.run("serve")
    assert result.code == 1
    assert "mine.py is not in" in result.log


def test_thread_bound_settings_of_the_users_module_hold_in_its_functions(container: Container) -> None:
    """scikit-learn's configuration belongs to a thread."""
    container.write(
        "model/code/inference.py",
        "import sklearn\n"
        "def model_fn(model_dir):\n    sklearn.set_config(transform_output='pandas')\n    return 1\n"
        "def predict_fn(data, model):\n    return sklearn.get_config()['transform_output']\n",
    )
    with container.serving() as server:
        assert server.predict("1,2\n").text == '"pandas"'


def test_processing_scripts_have_their_libraries(image_python: Callable[[str], Path], tmp_path: Path) -> None:
    script = tmp_path / "process.py"
    script.write_text(
        "import io, numpy, pandas, scipy, sklearn, joblib, pyarrow\n"
        "table = pandas.DataFrame({'a': [1, 2]})\n"
        "out = io.BytesIO(); table.to_parquet(out); print(pandas.read_parquet(io.BytesIO(out.getvalue())).a.sum())\n"
    )
    done = subprocess.run([image_python("sklearn"), script], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"


def test_sparse_requests_are_read(trained: Container) -> None:
    trained.write("model/code/inference.py", MODEL_FN)
    write = (
        "import sys, scipy.sparse; "
        "scipy.sparse.save_npz(sys.stdout.buffer, scipy.sparse.csr_matrix([[5.1, 3.5, 1.4, 0.2]]))"
    )
    body = subprocess.run([trained.python, "-c", write], capture_output=True, check=True).stdout
    assert io.BytesIO(body).read(2) == b"PK"
    with trained.serving() as server:
        assert server.predict(body, "application/x-npz").text == "[0]"
