"""The service object of STS."""

from sagebrush.kernel.grammar.service import Service

service = Service("sts")
