"""A user's script, sagemaker SDK version 2: the built-in XGBoost, waited for and logged by the SDK itself."""

import numpy as np
import sagemaker
from sagemaker import get_execution_role, image_uris
from sagemaker.analytics import TrainingJobAnalytics
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

session = sagemaker.Session()
role = get_execution_role()
bucket = session.default_bucket()
prefix = "scenario/v2-xgboost"

data = load_breast_cancer(as_frame=True).frame
data = data[["target", *data.columns.drop("target")]]
train, rest = train_test_split(data, test_size=0.3, random_state=1, stratify=data["target"])
validation, test = train_test_split(rest, test_size=0.5, random_state=1, stratify=rest["target"])
train.to_csv("train.csv", header=False, index=False)
validation.to_csv("validation.csv", header=False, index=False)
test.drop(columns="target").to_csv("test.csv", header=False, index=False)

inputs = {
    name: TrainingInput(session.upload_data(f"{name}.csv", bucket, f"{prefix}/{name}"), content_type="csv")
    for name in ("train", "validation")
}

xgb = Estimator(
    image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1"),
    role,
    instance_count=1,
    instance_type="ml.m5.xlarge",
    output_path=f"s3://{bucket}/{prefix}/output",
    sagemaker_session=session,
    max_run=600,
)
xgb.set_hyperparameters(
    max_depth=4, eta=0.2, subsample=0.9, objective="binary:logistic", eval_metric="auc", num_round=40, seed=1
)
xgb.fit(inputs)

job = xgb.latest_training_job.name
print("metrics", TrainingJobAnalytics(job, ["validation:auc"]).dataframe().to_dict("list"))
again = Estimator.attach(job)
assert again.model_data == xgb.model_data
assert again.hyperparameters()["max_depth"] == "4"

predictor = again.deploy(initial_instance_count=1, instance_type="ml.m5.large", serializer=CSVSerializer())
answer = predictor.predict(test.drop(columns="target").to_numpy()).decode()
scores = [float(score) for score in answer.replace("\n", ",").strip(",").split(",")]
print("auc", roc_auc_score(test["target"], scores))

same = Predictor(predictor.endpoint_name, session, serializer=CSVSerializer())
one = float(same.predict(test.drop(columns="target").to_numpy()[0]).decode())
assert abs(one - scores[0]) < 1e-6, (one, scores[0])

transformer = again.transformer(
    instance_count=1,
    instance_type="ml.m5.xlarge",
    output_path=f"s3://{bucket}/{prefix}/transform",
    assemble_with="Line",
    accept="text/csv",
)
source = session.upload_data("test.csv", bucket, f"{prefix}/batch")
transformer.transform(source, content_type="text/csv", split_type="Line", join_source="Input", output_filter="$[-1]")
transformer.wait()
lines = session.read_s3_file(bucket, f"{prefix}/transform/test.csv.out").split()
assert np.allclose([float(line) for line in lines], scores, atol=1e-5)
print("transformed", len(lines))

transformer.delete_model()
predictor.delete_model()
predictor.delete_endpoint()
session.boto_session.resource("s3").Bucket(bucket).objects.filter(Prefix=prefix).delete()
left = session.sagemaker_client.list_endpoints(NameContains=predictor.endpoint_name)["Endpoints"]
print("left", [endpoint["EndpointName"] for endpoint in left if endpoint["EndpointStatus"] != "Deleting"])
