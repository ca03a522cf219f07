"""The service object of SageMaker's data plane."""

from sagebrush.kernel.grammar.service import Service

service = Service("sagemaker-runtime")
