"""Corrections of botocore's models, as data: what a client can do without and a server cannot.

A mend is a path into the model and the value to put there. Source of S3's root elements: "API operations" of the Amazon
S3 API Reference; botocore takes any root, other SDKs and hand-written clients do not.
"""

from typing import Any, Final

Mend = tuple[tuple[str, ...], Any]

S3_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"

_S3_ROOTS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CreateSession": "CreateSessionResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLocation": "LocationConstraint",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurationResult",
    "ListBucketIntelligentTieringConfigurations": "ListBucketIntelligentTieringConfigurationsResult",
    "ListBucketInventoryConfigurations": "ListInventoryConfigurationsResult",
    "ListBucketMetricsConfigurations": "ListMetricsConfigurationsResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}

_DASHED = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
"""What the model's own pattern, with its repeats inside repeats, matches as well, but in a time that ends."""

MENDS: dict[str, tuple[Mend, ...]] = {
    "sagemaker": (
        (("shapes", "ClusterSchedulerPriorityClassName", "pattern"), _DASHED),
        (("shapes", "ComputeQuotaTargetTeamName", "pattern"), _DASHED),
    ),
    "s3": (
        (("metadata", "xmlNamespace"), S3_NAMESPACE),
        *((("operations", name, "output", "locationName"), root) for name, root in _S3_ROOTS.items()),
    ),
}
