"""What a container sees: the options of its sandbox, and the program that makes it.

The container's root is a folder of its own (`fs` in the task's directory), so that it may write anywhere and touches
nobody. Into it are bound: /opt/ml, the job's links, and, read-only, the system's programs and libraries, the Python
that the image stands on, the image's environment and its code. Nothing else of this machine is there. Both backends take
the same options, bubblewrap's; see bwrap(1).
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sagebrush.kernel.compute import archives, launcher
from sagebrush.kernel.compute.base import ML, TaskSpec
from sagebrush.kernel.compute.build import Environment
from sagebrush.kernel.compute.images import Image, shipped
from sagebrush.kernel.compute.pip_settings import PipSettings

SOCKET = "run/http.sock"
"""Below /opt/ml: where a serving container listens."""

ARCHIVES = "/opt/sagebrush/archives.py"
_KIT, _CODE, _IMAGE, _OWN = "/opt/image-kit", "/opt/image", "/opt/image-env", "/opt/env"
_PATH = f"{_OWN}/bin:{_IMAGE}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = (
    "alternatives", "ca-certificates", "crypto-policies", "fonts", "java-11-openjdk", "java-17-openjdk",
    "java-21-openjdk", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "magic", "mime.types", "pki/ca-trust",
    "pki/tls/certs", "protocols", "services", "ssl/certs", "ssl/openssl.cnf", "timezone",
)  # fmt: skip
_FOLDERS = (
    "dev", "etc", "opt/ml", "proc", "root", "run", "sys/devices/system", "tmp", "var/log", "var/tmp", f"{_OWN[1:]}/bin",
)  # fmt: skip
_SETTINGS = tuple(Path("/proc", name) for name in ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi"))
_CAPABILITIES = tuple(launcher.CAPABILITIES)
_NAMESPACES = ("--unshare-pid", "--unshare-ipc", "--unshare-uts")
_ADVICE = (
    "This machine offers no sandbox for jobs. Install bubblewrap (Debian, Ubuntu: apt-get install bubblewrap; Fedora:"
    " dnf install bubblewrap), and allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, on Ubuntu"
    " kernel.apparmor_restrict_unprivileged_userns=0) or run as root; inside a container, allow it to make namespaces"
    " (docker run --privileged). What was tried: "
)


class SandboxError(Exception):
    """No sandbox can be made on this machine; the message says what to install or to allow."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A program that makes sandboxes."""

    name: str
    program: tuple[str, ...]

    def trial(self) -> str:
        """Try the backend; return "" or what is wrong with it."""
        with tempfile.TemporaryDirectory(prefix="sagebrush-") as folder:
            _link_system(Path(folder))
            described = [*privileges(), *_NAMESPACES, "--unshare-net", "--die-with-parent", *_root(Path(folder))]
            for place in _system():
                described += ["--ro-bind", str(place), str(place)]
            try:
                command = [*self.program, *described, "--", "/bin/sh", "-c", "true"]
                done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
            except (OSError, subprocess.TimeoutExpired) as error:
                return str(error)
        return "" if done.returncode == 0 else done.stderr.strip() or f"exit status {done.returncode}"


def backends() -> dict[str, Backend]:
    """Return the backends in the order of preference, whether they work here or not."""
    python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = str(python) if python.exists() else sys.executable
    return {
        "bubblewrap": Backend("bubblewrap", (shutil.which("bwrap") or "bwrap",)),
        "unshare": Backend("unshare", (base, "-I", "-S", launcher.__file__)),
    }


def choose(name: str) -> Backend:
    """Return the backend of that name, or (auto) the first that works. Raises SandboxError, ValueError for a bad name."""
    known = backends()
    if name != "auto" and name not in known:
        raise ValueError(f"backend must be auto, {' or '.join(known)}, not {name!r}")
    failures = []
    for backend in known.values() if name == "auto" else [known[name]]:
        problem = backend.trial()
        if not problem:
            return backend
        failures.append(f"{backend.name}: {problem}")
    raise SandboxError(_ADVICE + "; ".join(failures))


def privileges() -> list[str]:
    """Return the options about users and capabilities: those of a container's root for root, else none at all."""
    if os.getuid():
        return ["--unshare-user"]
    return ["--cap-drop", "ALL", *(word for name in _CAPABILITIES for word in ("--cap-add", name))]


def lay_out(folder: Path, spec: TaskSpec, environment: Environment) -> None:
    """Make the container's own files: its root, its users and hosts, its thin virtual environment, its /opt/ml."""
    for name in _FOLDERS:
        (folder / "fs" / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (folder / "fs" / name).chmod(0o1777)
    for name, text in _etc(spec).items():
        (folder / "fs/etc" / name).write_text(text, "utf-8")
    _link_system(folder / "fs")
    _virtual_environment(folder / "fs" / _OWN[1:], environment)
    for name in ("run", *spec.folders):
        (folder / "root" / name).mkdir(parents=True, exist_ok=True)


def _etc(spec: TaskSpec) -> dict[str, str]:
    """Return the files of /etc that are the container's own."""
    user, group = os.getuid(), os.getgid()
    users = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    groups = "root:x:0:\nnogroup:x:65534:\n"
    if user:
        users += f"sagemaker:x:{user}:{group}::/root:/bin/bash\n"
    if group:
        groups += f"sagemaker:x:{group}:\n"
    names = "".join(f"127.0.0.1 {name}\n" for name in dict.fromkeys((spec.host, *spec.hosts)))
    return {
        "passwd": users,
        "group": groups,
        "hostname": f"{spec.host}\n",
        "hosts": names + (_host_file("hosts") if spec.network else "127.0.0.1 localhost\n::1 localhost\n"),
        "resolv.conf": _host_file("resolv.conf") if spec.network else "",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    }


def _host_file(name: str) -> str:
    path = Path("/etc", name)
    return path.read_text("utf-8", "replace") if path.is_file() else ""


def _virtual_environment(place: Path, environment: Environment) -> None:
    """Make an environment that sees the image's packages as installed and takes what the job installs itself."""
    packages = place / f"lib/python{environment.version}/site-packages"
    packages.mkdir(parents=True, exist_ok=True)
    home = environment.python.parent
    (place / "pyvenv.cfg").write_text(
        f"home = {home}\ninclude-system-site-packages = false\nversion = {environment.version}\n", "utf-8"
    )
    of_image = f"{_IMAGE}/lib/python{environment.version}/site-packages"
    (packages / "_image.pth").write_text(f"import site; site.addsitedir({of_image!r})\n{_KIT}\n", "utf-8")
    for name in ("python", "python3", f"python{environment.version}"):
        if not (link := place / "bin" / name).is_symlink():
            link.symlink_to(environment.python)
    for name in ("pip", "pip3"):
        wrapper = place / "bin" / name
        wrapper.write_text(
            f"#!{_OWN}/bin/python\nimport sys\n\nfrom pip._internal.cli.main import main\n\nsys.exit(main())\n", "utf-8"
        )
        wrapper.chmod(0o755)


def options(folder: Path, spec: TaskSpec, image: Image, environment: Environment, pip: PipSettings) -> list[str]:
    """Return the options of a task's sandbox."""
    described = [*privileges(), *_NAMESPACES, "--die-with-parent", "--new-session", "--hostname", spec.host]
    described += _root(folder / "fs")
    for source, target in _visible(image, environment, pip if spec.network else PipSettings()):
        described += ["--ro-bind", str(source), target]
    described += ["--bind", str(folder / "root"), ML]
    for link in spec.links:
        described += ["--ro-bind" if link.read_only else "--bind", str(link.source), below_ml(link.target)]
    described += ["--chdir", ML]
    for name, value in variables(spec, pip).items():
        described += ["--setenv", name, value]
    return described


def below_ml(path: str) -> str:
    """Return a path as the container sees it: relative ones are below /opt/ml."""
    return os.path.normpath(f"{ML}/{path}" if not path.startswith("/") else path)


def variables(spec: TaskSpec, pip: PipSettings) -> Mapping[str, str]:
    """Return the container's environment."""
    return {
        "PATH": _PATH,
        "HOME": "/root",
        "HOSTNAME": spec.host,
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **(pip.variables() if spec.network else {}),
        **({"SAGEBRUSH_SOCKET": f"{ML}/{SOCKET}"} if spec.serves else {}),
        **spec.environment,
    }


def _visible(image: Image, environment: Environment, pip: PipSettings) -> Iterator[tuple[Path, str]]:
    """Yield what of this machine every container sees, read-only: (place here, place there)."""
    for place in (*_system(), *filter(Path.exists, (Path("/etc", name) for name in _ETC)), Path("/sys/devices/system")):
        yield place, str(place)
    prefix = environment.python.parent.parent
    places = [prefix, *([Path("/nix/store")] if prefix.is_relative_to("/nix/store") else []), *pip.paths()]
    for place in dict.fromkeys(place for place in places if not _in_system(place)):
        yield place, str(place)
    yield environment.folder, _IMAGE
    yield image.folder, _CODE
    kit = image.folder.parent / "_kit"
    yield kit if kit.is_dir() else shipped() / "_kit", f"{_KIT}/_kit"
    yield Path(archives.__file__), ARCHIVES


def _root(folder: Path) -> list[str]:
    """Return the options of a container's root, its devices and processes, and no way to set the kernel.

    A root without a capability is still the owner of these files, and bubblewrap covers only some of them.
    """
    described = ["--bind", str(folder), "/", "--dev", "/dev", "--proc", "/proc"]
    for place in filter(Path.exists, _SETTINGS if os.getuid() == 0 else ()):
        described += ["--ro-bind", str(place), str(place)]
    return described


def _system() -> list[Path]:
    """Return the folders of the system's programs and libraries, but for links to one of them."""
    return [place for place in (Path("/", name) for name in _SYSTEM) if place.is_dir() and not place.is_symlink()]


def _link_system(root: Path) -> None:
    for name in _SYSTEM:
        if (place := Path("/", name)).is_symlink() and not (root / name).is_symlink():
            (root / name).symlink_to(place.readlink())


def _in_system(place: Path) -> bool:
    covered = (*(f"/{name}" for name in _SYSTEM), *(f"/etc/{name}" for name in _ETC))
    return any(place.is_relative_to(known) for known in covered)


__all__ = ["Backend", "SandboxError", "backends", "choose", "lay_out", "options"]
