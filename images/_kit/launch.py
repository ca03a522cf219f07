"""`python -P -m _kit.launch FOLDER MODULE`: run an image's entry point.

The folder becomes the package `image`. So the image's modules may have plain names (`metrics`, `serve`) and import each
other with `from . import`, and none of them can be mistaken for a module that the user's own code brings along.
"""

import importlib
import sys
from types import ModuleType


def main() -> None:
    """Call `main` of the module named on the command line."""
    _, folder, module = sys.argv[:3]
    package = ModuleType("image")
    package.__path__ = [folder]
    sys.modules["image"] = package
    sys.argv[:3] = [f"{folder}/{module}.py"]
    importlib.import_module(f"image.{module}").main()


if __name__ == "__main__":
    main()
