"""S3: buckets and objects over the key index and the object store."""

from sagebrush.services.s3 import attributes, buckets, completing, copying, listing, multipart, objects, tagging
from sagebrush.services.s3.incoming import Handover
from sagebrush.services.s3.service import service

__all__ = [
    "Handover",
    "attributes",
    "buckets",
    "completing",
    "copying",
    "listing",
    "multipart",
    "objects",
    "service",
    "tagging",
]
