"""Requests whose body is an XML document: its digests, checked as S3 checks them."""

from sagebrush.kernel.grammar.call import Call
from sagebrush.services.s3.checksums import Digests, promised
from sagebrush.services.s3.errors import refusal


def check_document(call: Call) -> None:
    """Check a document against its Content-MD5 or checksum, one of which must be there. Raises AwsError.

    A caller in process sends no document.
    """
    if call.request is None:
        return
    promise = promised(call.request.headers, call.request.trailers)
    if promise.md5 is None and not promise.algorithm:
        raise refusal("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
    digests = Digests([promise.algorithm] if promise.algorithm else [])
    digests.update_etag([call.request.body])
    digests.update_checksums([call.request.body])
    promise.check(digests)
