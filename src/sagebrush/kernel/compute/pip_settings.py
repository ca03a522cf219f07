"""Where Python packages come from: what pip is told on this machine, said to uv and to the pip inside a container.

Read from pip's configuration files and PIP_* variables, in pip's order (pip's documentation, "Configuration").
"""

import configparser
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

_SECTIONS = ("global", "install")
_UV = {
    "index-url": "--default-index",
    "extra-index-url": "--extra-index-url",
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
}
_MANY = ("extra-index-url", "find-links", "trusted-host")
_FETCHING = (
    *_UV, "no-index", "cert", "client-cert", "proxy", "timeout", "default-timeout", "retries",
    "disable-pip-version-check",
)  # fmt: skip
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class PipSettings:
    """pip's settings by their long option names, and the certificate variables of the environment."""

    options: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, environment: Mapping[str, str], home: Path, prefix: Path = Path(sys.prefix)) -> "PipSettings":
        """Return the settings in force for a user with this environment and home directory."""
        options: dict[str, str] = {}
        for path in _files(environment, home, prefix):
            options |= _options(path)
        for name, value in environment.items():
            if name.startswith("PIP_") and name != "PIP_CONFIG_FILE" and value:
                options[name.removeprefix("PIP_").lower().replace("_", "-")] = value
        return cls(options, {name: environment[name] for name in _CERTIFICATES if environment.get(name)})

    def uv_arguments(self) -> list[str]:
        """Return the arguments of `uv pip install` that make it look where pip looks, and choose as pip chooses."""
        arguments = ["--index-strategy", "unsafe-best-match"]
        for name, flag in _UV.items():
            for value in (
                self.options.get(name, "").split() if name in _MANY else filter(None, [self.options.get(name)])
            ):
                arguments += [flag, value]
        if _true(self.options.get("no-index", "")):
            arguments.append("--no-index")
        return arguments

    def uv_environment(self) -> dict[str, str]:
        """Return the variables that uv needs besides: certificates, time-out."""
        variables = dict(self.certificates)
        if "cert" in self.options:
            variables["SSL_CERT_FILE"] = self.options["cert"]
        if "default-timeout" in self.options or "timeout" in self.options:
            variables["UV_HTTP_TIMEOUT"] = self.options.get("timeout") or self.options["default-timeout"]
        return variables

    def variables(self) -> dict[str, str]:
        """Return the settings as the environment of a container that may use the network.

        Those about where packages come from, not those about where they go (`target`, `user`, `cache-dir`).
        """
        told = {name: self.options[name] for name in _FETCHING if name in self.options}
        return {f"PIP_{name.upper().replace('-', '_')}": value for name, value in told.items()} | {**self.certificates}

    def paths(self) -> list[Path]:
        """Return the places of this machine that the settings name: certificates, wheel folders, local indexes.

        A local index's pages lead to files beside it, so that its parent is named.
        """
        certificates = [Path(value) for value in self.certificates.values()]
        if "cert" in self.options:
            certificates.append(Path(self.options["cert"]))
        wheels = [_local(value) for value in self.options.get("find-links", "").split()]
        indexes = [
            _local(value, index=True)
            for name in ("index-url", "extra-index-url")
            for value in self.options.get(name, "").split()
        ]
        return [path for path in (*certificates, *filter(None, (*wheels, *indexes))) if path.exists()]


def _files(environment: Mapping[str, str], home: Path, prefix: Path) -> Iterator[Path]:
    if environment.get("PIP_CONFIG_FILE") == "/dev/null":
        return
    for directory in reversed(environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")):
        yield Path(directory) / "pip/pip.conf"
    yield Path("/etc/pip.conf")
    yield home / ".pip/pip.conf"
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"
    yield prefix / "pip.conf"
    if "PIP_CONFIG_FILE" in environment:
        yield Path(environment["PIP_CONFIG_FILE"])


def _options(path: Path) -> dict[str, str]:
    """Return a configuration file's options; a file that is missing, not ours to read or broken has none."""
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, "utf-8")
    except (OSError, configparser.Error, UnicodeDecodeError):
        return {}
    sections = [parser[name] for name in _SECTIONS if parser.has_section(name)]
    return {
        name.replace("_", "-"): value
        for section in sections
        for name, value in section.items()
        if value and value.strip()
    }


def _local(value: str, *, index: bool = False) -> Path | None:
    """Return the folder of this machine that a find-links or index value names, or None where it is elsewhere."""
    parts = urlsplit(value)
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
    elif not parts.scheme:
        path = Path(value).expanduser().absolute()
    else:
        return None
    return path.parent if index else path


def _true(value: str) -> bool:
    return value.strip().lower() in ("1", "true", "yes", "on")


__all__ = ["PipSettings"]
