"""A user's script, sagemaker SDK version 2: scikit-learn in script mode, prepared by a processing job."""

from pathlib import Path

import pandas as pd
import sagemaker
from sagemaker import get_execution_role
from sagemaker.deserializers import NumpyDeserializer
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.serializers import NumpySerializer
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.sklearn.processing import SKLearnProcessor
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

session = sagemaker.Session()
role = get_execution_role()
bucket = session.default_bucket()
prefix = "scenario/v2-sklearn"
source = Path(__file__).resolve().parent / "source"

data = load_breast_cancer(as_frame=True).frame
data[["target", *data.columns.drop("target")]].to_csv("data.csv", header=False, index=False)
raw = session.upload_data("data.csv", bucket, f"{prefix}/raw")

processor = SKLearnProcessor("1.2-1", role, instance_type="ml.m5.xlarge", instance_count=1, base_job_name="split")
processor.run(
    code=str(source / "preprocess.py"),
    inputs=[ProcessingInput(source=raw, destination="/opt/ml/processing/input")],
    outputs=[
        ProcessingOutput(output_name="train", source="/opt/ml/processing/train"),
        ProcessingOutput(output_name="test", source="/opt/ml/processing/test"),
    ],
    arguments=["--test-size", "0.25"],
)
outputs = processor.jobs[-1].describe()["ProcessingOutputConfig"]["Outputs"]
where = {output["OutputName"]: output["S3Output"]["S3Uri"] for output in outputs}

estimator = SKLearn(
    entry_point="train.py",
    source_dir=str(source),
    framework_version="1.2-1",
    py_version="py3",
    role=role,
    instance_type="ml.m5.xlarge",
    hyperparameters={"n-estimators": 60, "max-depth": 6},
    metric_definitions=[{"Name": "test:auc", "Regex": "test:auc=([0-9.]+);"}],
)
estimator.fit({"train": where["train"], "test": where["test"]})
job = estimator.latest_training_job.describe()
print("metrics", {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]})

predictor = estimator.deploy(
    initial_instance_count=1,
    instance_type="ml.m5.large",
    serializer=NumpySerializer(),
    deserializer=NumpyDeserializer(),
)
session.download_data(".", bucket, where["test"].split(f"{bucket}/")[1] + "/test.csv")
test = pd.read_csv("test.csv", header=None)
scores = predictor.predict(test.iloc[:, 1:].to_numpy())
print("auc", roc_auc_score(test[0], scores))

predictor.delete_model()
predictor.delete_endpoint()
