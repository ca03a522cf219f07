"""Making bytes and index agree again after a crash."""

from sagebrush.kernel.objects.base import ObjectStore
from sagebrush.kernel.state.keys import KeyIndex


def recover(keys: KeyIndex, objects: ObjectStore) -> None:
    """At the start, drop what a killed process left: unfinished bodies, and blobs that lost their row.

    Costs what was under way then, not what is stored.
    """
    objects.recover(keys.live)
    left = keys.trash.left()
    objects.discard(left)
    keys.trash.discarded(left)
