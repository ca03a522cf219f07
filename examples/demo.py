"""The whole way of a model with the sagemaker SDK, version 2: upload, train, deploy, predict, transform, clean up.

Nothing here knows of Sagebrush: pointed at AWS, it does the same there. Where the SDK would sleep between two looks
at a job (5 s, 10 s, 30 s) it is asked not to wait, and boto3's own waiters look more often.
"""

import io
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

if __name__ == "__main__":  # said before the SDK is imported, which is when it talks
    os.environ["SAGEMAKER_SUPPRESS_V2_WARNING"] = "1"
    logging.getLogger("sagemaker.config").setLevel(logging.ERROR)

import boto3
import numpy as np
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

PATIENTLY = {"Delay": 0.2, "MaxAttempts": 3000}
LOOK = "\033[1m" if os.isatty(1) else ""
PLAIN = "\033[0m" if os.isatty(1) else ""


@contextmanager
def step(name: str) -> Iterator[list[str]]:
    """Print a line for a step: what it did, which the block puts on the list, and how long it took."""
    print(f"  {LOOK}{name:<10}{PLAIN}", end="", flush=True)
    began = time.perf_counter()
    told: list[str] = []
    yield told
    print(f"{told[0]:<72}{time.perf_counter() - began:6.2f} s", flush=True)


def csv(*columns: np.ndarray) -> str:
    """Return rows as the CSV that SageMaker's algorithms read: no header, the label first."""
    text = io.StringIO()
    np.savetxt(text, np.column_stack(columns), delimiter=",", fmt="%.8g")
    return text.getvalue()


def main() -> None:
    for chatty in ("sagemaker", "botocore"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    began = time.perf_counter()
    session = sagemaker.Session()
    client = boto3.client("sagemaker")
    name = datetime.now(UTC).strftime("breast-cancer-%Y-%m-%d-%H-%M-%S")

    features, labels = load_breast_cancer(return_X_y=True)
    benign = labels.astype(int)
    split = train_test_split(features, benign, test_size=0.4, stratify=benign, random_state=7)
    train_x, held_x, train_y, held_y = split
    valid_x, test_x, valid_y, test_y = train_test_split(held_x, held_y, test_size=0.5, stratify=held_y, random_state=7)

    print(f"\n{LOOK}Is this tumour benign?{PLAIN} {len(labels)} patients, {features.shape[1]} measurements of each.\n")

    with step("upload") as told:
        bucket = session.default_bucket()
        train = session.upload_string_as_file_body(csv(train_y, train_x), bucket, f"{name}/train/data.csv")
        valid = session.upload_string_as_file_body(csv(valid_y, valid_x), bucket, f"{name}/validation/data.csv")
        batch = session.upload_string_as_file_body(csv(test_x), bucket, f"{name}/batch/data.csv")
        told.append(f"3 files to s3://{bucket}")

    with step("train") as told:
        image = sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1")
        estimator = Estimator(
            image,
            sagemaker.get_execution_role(session),
            instance_count=1,
            instance_type="ml.m5.large",
            output_path=f"s3://{bucket}/{name}",
            sagemaker_session=session,
            hyperparameters={
                "objective": "binary:logistic",
                "eval_metric": "auc",
                "num_round": 60,
                "max_depth": 3,
                "eta": 0.2,
            },
        )
        channels = {
            "train": TrainingInput(train, content_type="text/csv"),
            "validation": TrainingInput(valid, content_type="text/csv"),
        }
        estimator.fit(channels, job_name=name, wait=False)
        client.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name, WaiterConfig=PATIENTLY)
        job = client.describe_training_job(TrainingJobName=name)
        metrics = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
        told.append(f"60 rounds of XGBoost, validation AUC {metrics['validation:auc']:.4f}")

    with step("deploy") as told:
        predictor = estimator.deploy(
            initial_instance_count=1,
            instance_type="ml.m5.large",
            endpoint_name=name,
            model_name=name,
            serializer=CSVSerializer(),
            deserializer=CSVDeserializer(),
            wait=False,
        )
        client.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig=PATIENTLY)
        told.append(f"endpoint {name}")

    with step("predict") as told:
        answer = predictor.predict(csv(test_x))
        scores = np.array(answer, dtype=float).ravel()
        auc = roc_auc_score(test_y, scores)
        told.append(f"{len(scores)} patients that training never saw, AUC {auc:.4f}")

    with step("transform") as told:
        transformer = estimator.transformer(
            1, "ml.m5.large", model_name=name, strategy="MultiRecord", assemble_with="Line",
            output_path=f"s3://{bucket}/{name}/scores",
        )  # fmt: skip
        transformer.transform(batch, content_type="text/csv", split_type="Line", job_name=name, wait=False, logs=False)
        client.get_waiter("transform_job_completed_or_stopped").wait(TransformJobName=name, WaiterConfig=PATIENTLY)
        lines = session.read_s3_file(bucket, f"{name}/scores/data.csv.out").split()
        assert np.allclose(np.array(lines, dtype=float), scores, atol=1e-6), "the batch job and the endpoint differ"
        told.append(f"{len(lines)} scores to S3, the same as the endpoint's")

    with step("clean up") as told:
        predictor.delete_endpoint(delete_endpoint_config=True)
        session.delete_model(name)
        removed = boto3.resource("s3").Bucket(bucket).objects.filter(Prefix=name).delete()
        told.append(f"endpoint, model and {sum(len(page['Deleted']) for page in removed)} objects")

    print(f"\n{LOOK}AUC {auc:.4f}{PLAIN} in {time.perf_counter() - began:.1f} s.\n")


if __name__ == "__main__":
    main()
