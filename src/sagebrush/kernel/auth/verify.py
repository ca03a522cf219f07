"""Who sent this request? The first question, whichever way the request is signed."""

from sagebrush.kernel.auth import sigv2, sigv4
from sagebrush.kernel.auth.refusals import refuse
from sagebrush.kernel.auth.sigv4 import Signed, Terms
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.wire.http import Request


def verify(request: Request, terms: Terms) -> Signed:
    """Return the proven identity, scope and payload of a request as it came on the wire.

    `request.body` must be there, unless the client states the payload's hash, as it does to S3. What `Signed.payload`
    then says about the body is for `payload.whole` or `payload.Stream` to check. Raises AwsError.
    """
    authorization = request.headers.get("authorization")
    query = request.query
    presigned4 = "X-Amz-Signature=" in query or "X-Amz-Algorithm=" in query
    presigned2 = "AWSAccessKeyId=" in query and "Signature=" in query
    if authorization:
        if presigned4 or presigned2:
            message = (
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
                "parameter or the Authorization header should be specified"
            )
            raise AwsError("InvalidArgument", message, fields={"ArgumentName": "Authorization"})
        if authorization.startswith("AWS ") and terms.protocol == "rest-xml":
            return sigv2.verify_header(request, terms)
        return sigv4.verify_header(request, terms)
    if presigned4:
        return sigv4.verify_query(request, terms)
    if presigned2 and terms.protocol == "rest-xml":
        return sigv2.verify_query(request, terms)
    raise refuse("missing", terms.protocol)
