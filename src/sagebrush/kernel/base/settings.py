"""What can be set, in one place: the flags, the environment variables and the defaults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


def _home(variable: str, fallback: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / fallback) / "sagebrush"


@dataclass(frozen=True, slots=True)
class Settings:
    """How one platform is set up. Each field can be given as `SAGEBRUSH_<FIELD>`; flags of the CLI come first."""

    data: Path = field(
        default_factory=lambda: _home("XDG_DATA_HOME", ".local/share"),
        metadata={"help": "directory of all state: records, objects, tasks, keys"},
    )
    cache: Path = field(
        default_factory=lambda: _home("XDG_CACHE_HOME", ".cache"),
        metadata={"help": "directory of what can be built again: images' Python environments"},
    )
    images: str = field(default="", metadata={"help": "folder of further container images, an image.toml in each"})
    host: str = field(default="127.0.0.1", metadata={"help": "address to listen on"})
    port: int = field(default=4566, metadata={"help": "port of the API; 0 takes a free one"})
    door_port: int = field(default=0, metadata={"help": "port of the HTTPS proxy door; 0 takes a free one"})
    account: str = field(default="123456789012", metadata={"help": "account id, 12 digits"})
    region: str = field(default="us-east-1", metadata={"help": "region of clients that name none"})
    access_key: str = field(default="", metadata={"help": "root access key id; empty: made at the first start"})
    secret_key: str = field(
        default="", metadata={"help": "root secret key; empty: made at the first start", "secret": True}
    )
    backend: str = field(default="auto", metadata={"help": "sandbox of tasks: auto, bubblewrap or unshare"})
    log_level: str = field(default="info", metadata={"help": "of the platform's own log: debug, info, warning, error"})

    @classmethod
    def read(cls, environment: Mapping[str, str], **given: Any) -> "Settings":
        """Return the settings from `given` (flags; None means not given), then the environment, then the defaults.

        Raises ValueError, naming the variable, where a value cannot be read.
        """
        values: dict[str, Any] = {}
        for item in fields(cls):
            name = f"SAGEBRUSH_{item.name.upper()}"
            value = given.get(item.name)
            if value is None:
                value = environment.get(name)
            if value is None:
                continue
            values[item.name] = _convert(name, item.type, value)
        settings = cls(**values)
        if len(settings.account) != 12 or not settings.account.isdigit():
            message = f"SAGEBRUSH_ACCOUNT must be 12 digits, not {settings.account!r}"
            raise ValueError(message)
        return settings


def _convert(name: str, kind: Any, value: Any) -> Any:
    try:
        if kind in (Path, "Path"):
            return Path(value).expanduser().absolute()
        return int(value) if kind in (int, "int") else str(value)
    except ValueError as error:
        message = f"{name} must be {'a number' if kind in (int, 'int') else 'a path'}, not {value!r}"
        raise ValueError(message) from error
