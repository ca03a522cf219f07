#!/usr/bin/env bash
# A user's shell script: the AWS command line interface alone.
set -euo pipefail

role=$SAGEMAKER_ROLE_ARN
account=$(aws sts get-caller-identity --query Account --output text)
name=cli-$(date +%s)
bucket=$name-$account
image=683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1

mkdir -p data/train
awk 'BEGIN { srand(5); for (i = 0; i < 400; i++) { a = rand(); b = rand(); print (a > b ? 1 : 0) "," a "," b } }' > data/train/part-1.csv
cp data/train/part-1.csv data/train/part-2.csv
head -c 20000000 /dev/urandom > data/large.bin

aws s3 mb "s3://$bucket"
aws s3 sync data/train "s3://$bucket/train" --only-show-errors
aws s3 cp data/large.bin "s3://$bucket/large.bin" --only-show-errors
aws s3 cp "s3://$bucket/large.bin" back.bin --only-show-errors
cmp data/large.bin back.bin
echo "objects $(aws s3 ls "s3://$bucket" --recursive | wc -l)"

aws sagemaker create-training-job \
  --training-job-name "$name" --role-arn "$role" \
  --algorithm-specification "TrainingImage=$image,TrainingInputMode=File" \
  --input-data-config "[{\"ChannelName\":\"train\",\"ContentType\":\"csv\",\"DataSource\":{\"S3DataSource\":{\"S3DataType\":\"S3Prefix\",\"S3Uri\":\"s3://$bucket/train/\"}}}]" \
  --output-data-config "S3OutputPath=s3://$bucket/output" \
  --resource-config InstanceType=ml.m5.large,InstanceCount=1,VolumeSizeInGB=5 \
  --stopping-condition MaxRuntimeInSeconds=600 \
  --hyper-parameters objective=binary:logistic,num_round=10 --output text > /dev/null
aws sagemaker wait training-job-completed-or-stopped --training-job-name "$name"
echo "training $(aws sagemaker describe-training-job --training-job-name "$name" --query TrainingJobStatus --output text)"
aws s3 cp "$(aws sagemaker describe-training-job --training-job-name "$name" --query ModelArtifacts.S3ModelArtifacts --output text)" model.tar.gz --only-show-errors
echo "artefact $(tar tzf model.tar.gz)"

artefact=s3://$bucket/output/$name/output/model.tar.gz
aws sagemaker create-model --model-name "$name" --execution-role-arn "$role" \
  --primary-container "Image=$image,ModelDataUrl=$artefact" --output text > /dev/null
aws sagemaker create-endpoint-config --endpoint-config-name "$name" --output text > /dev/null \
  --production-variants "VariantName=AllTraffic,ModelName=$name,InitialInstanceCount=1,InstanceType=ml.m5.large"
aws sagemaker create-endpoint --endpoint-name "$name" --endpoint-config-name "$name" --output text > /dev/null
aws sagemaker wait endpoint-in-service --endpoint-name "$name"
printf '0.9,0.1\n0.1,0.9\n' > rows.csv
aws sagemaker-runtime invoke-endpoint --endpoint-name "$name" --content-type text/csv --body fileb://rows.csv answer.csv > /dev/null
echo "answer $(tr '\n' ',' < answer.csv)"

aws sagemaker delete-endpoint --endpoint-name "$name"
aws sagemaker delete-endpoint-config --endpoint-config-name "$name"
aws sagemaker delete-model --model-name "$name"
aws s3 rb "s3://$bucket" --force > /dev/null
echo "buckets left: $(aws s3 ls | grep -c "$bucket" || true)"
