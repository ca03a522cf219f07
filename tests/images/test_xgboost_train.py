"""XGBoost as a built-in algorithm: training, as Amazon's container does it."""

import gzip
import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import SHARED
from tests.images.contract import IMAGES, Container, line_from, rows

LINE = re.compile(r"\[(\d+)\](?:\t[a-z]+-[a-z0-9@_-]+:[-0-9.einfa]+)+")
BINARY: dict[str, object] = {"objective": "binary:logistic", "num_round": 5}


@pytest.fixture
def job(base: Path, image_python: Callable[[str], Path]) -> Container:
    """A training job."""
    return Container("xgboost", base, image_python("xgboost"))


@pytest.fixture(scope="session")
def cancer(image_python: Callable[[str], Path]) -> list[list[float]]:
    """Breast cancer (it comes inside scikit-learn): label first, 569 rows."""
    code = (
        "import json, numpy; from sklearn.datasets import load_breast_cancer as load; x, y = load(return_X_y=True);"
        "print(json.dumps(numpy.column_stack([y, x])[numpy.random.default_rng(1).permutation(len(y))].tolist()))"
    )
    done = subprocess.run([image_python("xgboost"), "-c", code], capture_output=True, text=True, check=True)
    table: list[list[float]] = json.loads(done.stdout)
    return table


def _scores(output: str, metric: str) -> list[float]:
    return [float(found) for found in re.findall(rf"^\[\d+\].*\t{metric}:(\S+)", output, re.MULTILINE)]


def _direct(
    python: Path, train: Iterable[Any], test: Iterable[Any], parameters: dict[str, object], rounds: int
) -> float:
    """Return the AUC that xgboost itself reaches on the test rows."""
    code = (
        "import json, sys, numpy, xgboost; train, test, parameters, rounds = json.load(sys.stdin);"
        "matrices = [xgboost.DMatrix(numpy.array(t)[:, 1:], label=numpy.array(t)[:, 0]) for t in (train, test)];"
        "model = xgboost.train(parameters, matrices[0], rounds);"
        "from sklearn.metrics import roc_auc_score;"
        "print(roc_auc_score(matrices[1].get_label(), model.predict(matrices[1])))"
    )
    told = json.dumps([list(train), list(test), parameters, rounds])
    done = subprocess.run([python, "-c", code], input=told, capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_it_learns_as_well_as_xgboost_itself(job: Container, cancer: list[list[float]]) -> None:
    train, test = cancer[:400], cancer[400:]
    job.write("input/data/train/a.csv", rows(train))
    job.write("input/data/validation/a.csv", rows(test))
    settings = {"objective": "binary:logistic", "max_depth": 4, "eta": 0.2, "subsample": 0.8, "seed": 3}
    job.configure({**settings, "num_round": 30, "eval_metric": "auc"}, train="text/csv", validation="text/csv")
    output = job.train().output
    direct = _direct(job.python, train, test, settings, 30)
    assert _scores(output, "validation-auc")[-1] == pytest.approx(direct, abs=0.005)
    assert direct > 0.95


def test_auc_on_adult_census_is_that_of_xgboost_itself(job: Container) -> None:
    folder = SHARED / "data/tabular/adult"
    if not folder.exists():
        pytest.skip("../shared/data/tabular/adult is not here")
    codes: list[dict[str, int]] = [{} for _ in range(15)]

    def table(name: str) -> list[list[float]]:
        with gzip.open(folder / name, "rt") as source:
            cells = [line.rstrip(". \n").split(", " if ", " in line else ",") for line in source if line.strip()]
        numeric = {0, 2, 4, 10, 11, 12}
        coded = [
            [float(c) if i in numeric else float(codes[i].setdefault(c, len(codes[i]))) for i, c in enumerate(row)]
            for row in cells
            if len(row) == 15
        ]
        return [[row[-1], *row[:-1]] for row in coded]

    train, test = table("adult-train.csv.gz"), table("adult-test.csv.gz")
    job.write("input/data/train/part-1.csv", rows(train[:20000]))
    job.write("input/data/train/part-2.csv", rows(train[20000:]))
    job.write("input/data/validation/adult.csv", rows(test))
    settings = {"objective": "binary:logistic", "max_depth": 5, "eta": 0.2, "min_child_weight": 6, "subsample": 0.8}
    job.configure({**settings, "num_round": 60, "eval_metric": "auc"}, train="text/csv", validation="text/csv")
    reached = _scores(job.train().output, "validation-auc")[-1]
    assert reached == pytest.approx(_direct(job.python, train, test, settings, 60), abs=0.005)
    assert reached > 0.92


def test_log_lines_are_those_that_awss_metric_definitions_match(job: Container, cancer: list[list[float]]) -> None:
    job.write("input/data/train/a.csv", rows(cancer[:300]))
    job.write("input/data/validation/a.csv", rows(cancer[300:]))
    job.configure({**BINARY, "eval_metric": "error,auc,f1_binary"}, train="text/csv", validation="text/csv")
    lines = [line for line in job.train().output.splitlines() if line.startswith("[")]
    assert [int(LINE.fullmatch(line)[1]) for line in lines if LINE.fullmatch(line)] == [0, 1, 2, 3, 4]  # type: ignore[index]
    names = re.findall(r"\t([a-z]+-\w+):", lines[0])
    assert names == [f"{data}-{metric}" for data in ("train", "validation") for metric in ("error", "auc", "f1_binary")]
    escaped = lines[-1].replace("\t", "#011")
    assert re.search(r".*\[[0-9]+\].*#011validation-f1_binary:(\S+)", escaped)


def test_the_artefact_is_what_xgboost_itself_loads(job: Container, cancer: list[list[float]]) -> None:
    job.write("input/data/train/a.csv", rows(cancer))
    job.configure(BINARY, train="text/csv")
    job.train()
    assert [path.name for path in (job.base / "model").iterdir()] == ["xgboost-model"]
    code = f"import xgboost; print(xgboost.Booster(model_file={str(job.base / 'model/xgboost-model')!r}).num_boosted_rounds())"
    done = subprocess.run([job.python, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "5"


def test_all_formats_give_the_same_model(job: Container, cancer: list[list[float]]) -> None:
    """CSV, libsvm, parquet and RecordIO-protobuf, each sharded over two files, one of them in a folder below."""
    write = """
import io, json, sys, numpy as np, pyarrow as pa, pyarrow.parquet as pq
from pathlib import Path
from _kit import record, recordio
base, table = Path(sys.argv[1]), np.array(json.load(sys.stdin), np.float32)
halves = [table[:300], table[300:]]
def libsvm(t): return "".join(f"{r[0]:g} " + " ".join(f"{i}:{float(v)!r}" for i, v in enumerate(r[1:])) + "\\n" for r in t).encode()
def pbr(t): return b"".join(recordio.frame(record.encode(record.Record(
    {"values": record.tensor(map(float, r[1:]))}, {"values": record.tensor([float(r[0])])}))) for r in t)
def parquet(t):
    out = io.BytesIO(); pq.write_table(pa.table({f"c{i}": t[:, i] for i in range(t.shape[1])}), out); return out.getvalue()
def csv(t): return "".join(",".join(repr(float(v)) for v in r) + "\\n" for r in t).encode()
for form in (csv, libsvm, parquet, pbr):
    for place, half in zip(("a", "sub/b"), halves):
        path = base / form.__name__ / place; path.parent.mkdir(parents=True, exist_ok=True); path.write_bytes(form(half))
"""
    command = [str(job.python), "-c", write, str(job.base / "made")]
    environment = {"PYTHONPATH": str(IMAGES)}
    subprocess.run(command, input=json.dumps(cancer), text=True, check=True, env=environment)
    models = {}
    for form, kind in (
        ("csv", "text/csv"), ("libsvm", None), ("parquet", "application/x-parquet"),
        ("pbr", "application/x-recordio-protobuf"),
    ):  # fmt: skip
        data = job.base / "input/data/train"
        data.parent.mkdir(parents=True, exist_ok=True)
        (job.base / "made" / form).rename(data)
        job.configure({**BINARY, "tree_method": "exact"}, train=kind)
        job.train()
        models[form] = (job.base / "model/xgboost-model").read_bytes()
        data.rename(job.base / "made" / form)
    assert models["csv"] == models["parquet"] == models["pbr"]
    assert len(models["libsvm"]) > 0
    assert models["libsvm"] == models["csv"]


def test_weights_count_in_csv_and_in_libsvm(job: Container) -> None:
    """Rows that contradict each other are settled by their weights."""
    rows_csv = "1,9,0.5\n0,1,0.5\n" * 20
    job.write("input/data/train/a.csv", rows_csv)
    job.configure({**BINARY, "num_round": 20, "csv_weights": 1, "eval_metric": "logloss"}, train="text/csv")
    by_csv = _scores(job.train().output, "train-logloss")[-1]
    (job.base / "input/data/train/a.csv").unlink()
    job.write("input/data/train/a.libsvm", "1:9 0:0.5\n0:1 0:0.5\n" * 20)
    job.configure({**BINARY, "num_round": 20, "eval_metric": "logloss"}, train="text/libsvm")
    by_libsvm = _scores(job.train().output, "train-logloss")[-1]
    assert by_csv == by_libsvm == pytest.approx(0.3251, abs=0.01)  # the entropy of odds 9:1


def test_scale_pos_weight_shifts_the_balance(job: Container) -> None:
    job.write("input/data/train/a.csv", "1,0.5\n0,0.5\n" * 20)
    found = []
    for weight in (1, 4):
        job.configure({**BINARY, "scale_pos_weight": weight, "eval_metric": "error"}, train="text/csv")
        job.train()
        code = (
            "import sys, numpy, xgboost; "
            "print(xgboost.Booster(model_file=sys.argv[1]).inplace_predict(numpy.array([[0.5]]))[0])"
        )
        model = job.base / "model/xgboost-model"
        done = subprocess.run(
            [job.python, "-W", "ignore", "-c", code, model], capture_output=True, text=True, check=True
        )
        found.append(float(done.stdout.split()[-1]))
    assert found[0] == pytest.approx(0.5, abs=0.01)
    assert found[1] > 0.7


def test_early_stopping_keeps_the_best_rounds(job: Container, cancer: list[list[float]]) -> None:
    job.write("input/data/train/a.csv", rows(cancer[:200]))
    job.write("input/data/validation/a.csv", rows(cancer[200:]))
    settings = {**BINARY, "num_round": 200, "eta": 1, "eval_metric": "auc,logloss", "early_stopping_rounds": 5}
    job.configure(settings, train="text/csv", validation="text/csv")
    scores = _scores(job.train().output, "validation-logloss")
    best = scores.index(min(scores))
    assert len(scores) == best + 6
    code = "import sys, xgboost; print(xgboost.Booster(model_file=sys.argv[1]).num_boosted_rounds())"
    command = [str(job.python), "-W", "ignore", "-c", code, str(job.base / "model/xgboost-model")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) == best + 1


def test_checkpoints_are_written_the_newest_five_kept_and_training_goes_on_from_them(
    job: Container, cancer: list[list[float]]
) -> None:
    job.write("input/data/train/a.csv", rows(cancer))
    job.write(
        "input/config/checkpointconfig.json", json.dumps({"S3Uri": "s3://b/c", "LocalPath": str(job.base / "ckpt")})
    )
    job.configure({**BINARY, "num_round": 8}, train="text/csv")
    job.train()
    names = sorted(path.name for path in (job.base / "ckpt").iterdir())
    assert names == [f"xgboost-checkpoint.{number}" for number in range(3, 8)]
    (job.base / "ckpt/xgboost-checkpoint.7").write_bytes(b"cut off while it was written")
    job.configure({**BINARY, "num_round": 12}, train="text/csv")
    result = job.train()
    assert "Resuming from iteration 7" in result.log
    assert re.findall(r"^\[(\d+)\]", result.output, re.MULTILINE) == ["7", "8", "9", "10", "11"]
    straight = Container("xgboost", job.base / "straight", job.python)
    straight.write("input/data/train/a.csv", rows(cancer))
    straight.configure({**BINARY, "num_round": 12}, train="text/csv")
    whole = _scores(straight.train().output, "train-logloss")
    assert _scores(result.output, "train-logloss") == pytest.approx(whole[7:], abs=1e-5)


def test_k_fold_leaves_a_model_for_each_fold_and_its_predictions(job: Container, cancer: list[list[float]]) -> None:
    job.write("input/data/train/a.csv", rows(cancer[:400]))
    job.write("input/data/validation/b.csv", rows(cancer[400:]))
    settings = {**BINARY, "_kfold": 3, "_num_cv_round": 2, "eval_metric": "auc"}
    job.configure(settings, train="text/csv", validation="text/csv")
    output = job.train().output
    assert sorted(path.name for path in (job.base / "model").iterdir()) == [f"xgboost-model-{n}" for n in range(6)]
    predictions = [line.split(",") for line in job.read("output/data/predictions.csv").splitlines()]
    assert [float(row[0]) for row in predictions] == [row[0] for row in cancer]
    right = sum(float(label) == float(vote) for label, _, vote in predictions)
    assert right / len(predictions) > 0.9
    assert len(re.findall(r"^\[5\]\ttrain-auc:\S+\tvalidation-auc:\S+$", output, re.MULTILINE)) == 3


def test_a_stopped_job_leaves_the_model_of_its_last_round(job: Container, cancer: list[list[float]]) -> None:
    job.write("input/data/train/a.csv", rows(cancer))
    job.configure({**BINARY, "num_round": 100000, "save_model_on_termination": "true"}, train="text/csv")
    process = job.popen("train")
    line_from(process, "[3]")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert [path.name for path in (job.base / "model").iterdir()] == ["xgboost-model"]
    assert (job.base / "model/xgboost-model").read_bytes().endswith(b"}")


def test_custom_metrics_are_those_of_scikit_learn(job: Container, cancer: list[list[float]]) -> None:
    names = "accuracy balanced_accuracy f1 f1_macro precision_macro precision_micro recall_macro recall_micro mse r2"
    code = f"""
import json, sys, types, numpy as np
image = types.ModuleType("image"); image.__path__ = [sys.argv[1]]; sys.modules["image"] = image
from image.metrics import CUSTOM
from sklearn import metrics as sk
rng = np.random.default_rng(5)
theirs = dict(accuracy=sk.accuracy_score, balanced_accuracy=sk.balanced_accuracy_score, mse=sk.mean_squared_error,
              r2=sk.r2_score, f1=lambda a, b: sk.f1_score(a, b, average="macro"))
for score in ("f1", "precision", "recall"):
    for way in ("macro", "micro"):
        theirs[f"{{score}}_{{way}}"] = lambda a, b, f=getattr(sk, score + "_score"), w=way: f(a, b, average=w, zero_division=0)
worst = 0.0
for _ in range(60):
    y, p = rng.integers(0, 4, 30), rng.integers(0, 4, 30)
    worst = max(worst, *(abs(CUSTOM[n](y, p) - theirs[n](y, p)) for n in {names.split()!r}))
    y, p = rng.integers(0, 2, 30), rng.integers(0, 2, 30)
    for n, f in (("f1_binary", sk.f1_score), ("precision", sk.precision_score), ("recall", sk.recall_score)):
        worst = max(worst, abs(CUSTOM[n](y, p) - f(y, p, zero_division=0)))
print(worst)
"""
    folder = IMAGES / "xgboost"
    done = subprocess.run([job.python, "-W", "ignore", "-c", code, folder], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1e-9
    job.write(
        "input/data/train/a.csv", rows([int(row[0]) + (index % 3 == 0), *row[1:]] for index, row in enumerate(cancer))
    )
    multi = {"objective": "multi:softmax", "num_class": 3, "num_round": 2}
    job.configure({**multi, "eval_metric": ",".join(names.split())}, train="text/csv")
    last = job.train().output.splitlines()[-1]
    assert all(f"train-{name}:" in last for name in names.split())


def test_a_users_script_may_use_all_of_xgboost(job: Container) -> None:
    job.write(
        "code/train.py",
        "import os, numpy, xgboost as xgb\n"
        "x = numpy.random.default_rng(0).random((50, 3)); y = (x[:, 0] > 0.5).astype(int)\n"
        "model = xgb.XGBClassifier(n_estimators=3).fit(x, y)\n"
        "model.get_booster().save_model(os.environ['SM_MODEL_DIR'] + '/xgboost-model.json')\n",
    )
    job.configure({"sagemaker_program": "train.py"})
    (job.base / "model").mkdir()
    job.train()
    assert json.loads(job.read("model/xgboost-model.json"))["learner"]
