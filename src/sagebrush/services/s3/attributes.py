"""GetObjectAttributes: what HEAD and ListParts say together."""

from collections.abc import Callable

from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.state.keys import Entry
from sagebrush.services.s3.checksums import shown
from sagebrush.services.s3.headers import checksum_of
from sagebrush.services.s3.service import admit, find, service

PAGE = 1000


@service.operation
def get_object_attributes(call: Call) -> Result:
    """Return the attributes asked for; those that an object lacks are left out."""
    admit(call)
    entry = find(call)
    attributes: dict[str, Callable[[], object]] = {
        "ETag": lambda: entry.etag,
        "Checksum": lambda: checksum_of(entry),
        "ObjectParts": lambda: _parts(call, entry) if entry.part_count else None,
        "StorageClass": lambda: entry.storage_class,
        "ObjectSize": lambda: entry.size,
    }
    asked = call.params["ObjectAttributes"]
    return {"LastModified": entry.modified, **{name: get() for name, get in attributes.items() if name in asked}}


def _parts(call: Call, entry: Entry) -> Result:
    limit = min(call.params.get("MaxParts", PAGE), PAGE)
    marker = int(call.params.get("PartNumberMarker") or 0)
    after = [part for part in call.world.keys.parts(entry) if part.number > marker]
    page = after[:limit]
    return {
        "TotalPartsCount": entry.part_count,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": limit,
        "IsTruncated": len(after) > limit,
        "Parts": [
            {"PartNumber": part.number, "Size": part.size, **shown(entry.algorithm, part.checksum)} for part in page
        ],
    }
