"""A user's script, plain boto3: the main job through the API itself."""

import io
import os
import random
import tarfile
import time

import boto3

role = os.environ["SAGEMAKER_ROLE_ARN"]
s3, sm, runtime = (boto3.client(name) for name in ("s3", "sagemaker", "sagemaker-runtime"))
account = boto3.client("sts").get_caller_identity()["Account"]
image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
name = f"boto3-{int(time.time())}"
bucket = f"{name}-{account}"

random.seed(3)
rows = [[random.uniform(-1, 1) for _ in range(4)] for _ in range(600)]
labels = [int(a + 2 * b - c > 0.1) for a, b, c, _ in rows]
table = "".join(f"{label}," + ",".join(map(str, row)) + "\n" for label, row in zip(labels, rows, strict=True))

s3.create_bucket(Bucket=bucket)
s3.put_object(Bucket=bucket, Key="train/data.csv", Body=table)
s3.put_object(Bucket=bucket, Key="batch/data.csv", Body="".join(",".join(map(str, row)) + "\n" for row in rows))

sm.create_training_job(
    TrainingJobName=name,
    AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
    RoleArn=role,
    InputDataConfig=[
        {
            "ChannelName": "train",
            "ContentType": "text/csv",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://{bucket}/train/",
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }
    ],
    OutputDataConfig={"S3OutputPath": f"s3://{bucket}/output"},
    ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    StoppingCondition={"MaxRuntimeInSeconds": 600},
    HyperParameters={"objective": "binary:logistic", "num_round": "20", "max_depth": "3"},
)
sm.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name)
job = sm.describe_training_job(TrainingJobName=name)
print("training", job["TrainingJobStatus"], [step["Status"] for step in job["SecondaryStatusTransitions"]])

artefact = job["ModelArtifacts"]["S3ModelArtifacts"]
body = s3.get_object(Bucket=bucket, Key=artefact.split(f"{bucket}/")[1])["Body"].read()
with tarfile.open(fileobj=io.BytesIO(body)) as archive:
    print("artefact", archive.getnames())

sm.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": image, "ModelDataUrl": artefact})
variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
sm.create_endpoint(EndpointName=name, EndpointConfigName=name)
sm.get_waiter("endpoint_in_service").wait(EndpointName=name)
batch = "\n".join(",".join(map(str, row)) for row in rows)
answer = runtime.invoke_endpoint(EndpointName=name, ContentType="text/csv", Body=batch)
scores = [float(score) for score in answer["Body"].read().decode().replace("\n", ",").strip(",").split(",")]
right = sum((score > 0.5) == bool(label) for score, label in zip(scores, labels, strict=True))
print("accuracy", right / len(rows), answer["InvokedProductionVariant"])

sm.create_transform_job(
    TransformJobName=name,
    ModelName=name,
    TransformInput={
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/batch/"}},
        "ContentType": "text/csv",
        "SplitType": "Line",
    },
    TransformOutput={"S3OutputPath": f"s3://{bucket}/scores", "AssembleWith": "Line"},
    TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
)
sm.get_waiter("transform_job_completed_or_stopped").wait(TransformJobName=name)
lines = s3.get_object(Bucket=bucket, Key="scores/data.csv.out")["Body"].read().decode().split()
assert all(abs(float(line) - score) < 1e-6 for line, score in zip(lines, scores, strict=True))
print("transformed", len(lines))

logs = boto3.client("logs")
stream = logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/")
events = logs.get_log_events(
    logGroupName="/aws/sagemaker/TrainingJobs",
    logStreamName=stream["logStreams"][0]["logStreamName"],
    startFromHead=True,
)
print("log lines", len(events["events"]) > 20)

sm.delete_endpoint(EndpointName=name)
sm.get_waiter("endpoint_deleted").wait(EndpointName=name)
sm.delete_endpoint_config(EndpointConfigName=name)
sm.delete_model(ModelName=name)
objects = [{"Key": item["Key"]} for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
s3.delete_bucket(Bucket=bucket)
print("cleaned", bucket not in [each["Name"] for each in s3.list_buckets()["Buckets"]])
