"""Log lines of the containers: time, who speaks, level, text; on stderr, as AWS's toolkits write them."""

import logging
import sys

_FORMAT = "%(asctime)s %(name)s %(levelname)-8s %(message)s"


def logger(name: str, level: int = logging.INFO) -> logging.Logger:
    """Return the logger of that name; the first call sets up the process's logging."""
    logging.basicConfig(stream=sys.stderr, format=_FORMAT, level=level)
    return logging.getLogger(name)
