"""Tags of objects."""

from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.services.s3.documents import check_document
from sagebrush.services.s3.errors import refusal
from sagebrush.services.s3.headers import OBJECT_TAGS, document_tags, tag_set
from sagebrush.services.s3.service import admit, find, service


@service.operation
def put_object_tagging(call: Call) -> Result:
    """Replace an object's tags."""
    check_document(call)
    admit(call)
    find(call)
    _replace(call, document_tags(call.params["Tagging"]["TagSet"], OBJECT_TAGS))
    return {}


@service.operation
def get_object_tagging(call: Call) -> Result:
    """Return an object's tags."""
    admit(call)
    return {"TagSet": tag_set(find(call).tags)}


@service.operation
def delete_object_tagging(call: Call) -> Result:
    """Drop an object's tags."""
    admit(call)
    find(call)
    _replace(call, "")
    return {}


def _replace(call: Call, tags: str) -> None:
    if not call.world.keys.tag(call.params["Bucket"], call.params["Key"], tags):
        raise refusal("NoSuchKey", Key=call.params["Key"])
