"""A user's script, sagemaker SDK version 3: ModelTrainer trains a script, ModelBuilder puts it behind an endpoint."""

import io
from pathlib import Path

import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import EndpointConfig, TrainingJob
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train.model_trainer import ModelTrainer
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

session = Session()
role = get_execution_role(session)
bucket = session.default_bucket()
prefix = "scenario/v3"
source = str(Path(__file__).resolve().parent / "source")
image = image_uris.retrieve(
    "sklearn", session.boto_region_name, version="1.2-1", py_version="py3", image_scope="training"
)

data = load_breast_cancer(as_frame=True).frame
data = data[["target", *data.columns.drop("target")]]
train, test = train_test_split(data, test_size=0.25, random_state=0, stratify=data["target"])
train.to_csv("train.csv", header=False, index=False)
test.to_csv("test.csv", header=False, index=False)
where = {name: session.upload_data(f"{name}.csv", bucket, f"{prefix}/{name}") for name in ("train", "test")}

trainer = ModelTrainer(
    training_image=image,
    source_code=SourceCode(source_dir=source, entry_script="train.py"),
    compute=Compute(instance_type="ml.m5.xlarge", instance_count=1),
    hyperparameters={"n-estimators": 60, "max-depth": 6},
    base_job_name="v3-forest",
    role=role,
    sagemaker_session=session,
)
trainer.train(input_data_config=[InputData(channel_name=name, data_source=uri) for name, uri in where.items()])
job = next(iter(TrainingJob.get_all(name_contains="v3-forest", sort_by="CreationTime", sort_order="Descending")))
print("status", job.training_job_status)

builder = ModelBuilder(
    s3_model_data_url=job.model_artifacts.s3_model_artifacts,
    image_uri=image,
    source_code=SourceCode(source_dir=source, entry_script="train.py"),
    role_arn=role,
    instance_type="ml.m5.large",
    sagemaker_session=session,
)
model = builder.build(model_name="v3-forest")
endpoint = builder.deploy(endpoint_name="v3-forest", initial_instance_count=1, instance_type="ml.m5.large")

body = io.BytesIO()
np.save(body, test.iloc[:, 1:].to_numpy())
answer = endpoint.invoke(body=body.getvalue(), content_type="application/x-npy", accept="application/x-npy")
scores = np.load(io.BytesIO(answer.body.read()))
print("auc", roc_auc_score(test["target"], scores))

endpoint.delete()
EndpointConfig.get("v3-forest").delete()
model.delete()
