"""What a container sees of the machine that it runs on: the second half of `testing.compute`."""

import http.client
import os
import socket
import tarfile
from pathlib import Path

import pytest

from sagebrush.kernel.compute.base import Link, Pack, Unpack
from sagebrush.testing.bench import Bench, archive

_SERVER = """
import os, socketserver, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "4"); self.end_headers(); self.wfile.write(b"pong")
    def address_string(self):
        return "unix"
server = socketserver.UnixStreamServer(os.environ["SAGEBRUSH_SOCKET"], Handler)
print("serving")
server.serve_forever()
"""


class ContainerConformance:
    """What a container sees, and what it does not."""

    def test_environment_is_what_the_job_gives_and_no_more(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing of the server's environment is there; values may hold anything but NUL."""
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the server's own")
        odd = {"ODD": "a b\n'\"$HOME\\ü", "EMPTY": "", "LD_PRELOAD": "/nowhere/evil.so"}
        bench.python("env", "import os; print(ascii(dict(os.environ)))", environment=odd, network=False)
        seen = next(line for line in bench.said("env") if line.startswith("{"))
        assert "the server's own" not in seen
        environment = eval(seen)  # noqa: S307  the line that the test's own script printed
        assert odd.items() <= environment.items()
        assert {"PATH", "HOME", "LANG", "PYTHONUNBUFFERED"} <= environment.keys()
        assert not [name for name in environment if name.startswith(("AWS_", "SAGEBRUSH_", "PIP_INDEX"))]

    def test_a_job_sees_its_own_files_only(self, bench: Bench) -> None:
        """Not the server's data, not another task, not this user's home."""
        bench.python("other", "open('/opt/ml/secret', 'w').write('x')")
        probe = """
import os, sys
found = {os.path.join(top, name) for top, folders, names in os.walk("/") for name in folders + names
         if not top.startswith(("/proc", "/sys", "/dev", "/usr", sys.base_prefix))}
print(sorted(path for path in found if path.endswith(("/secret", "/exit.json", "/task.json", "/options"))))
print([path for path in HIDDEN if os.path.exists(path)])
"""
        hidden = [
            str(bench.folder),
            str(bench.task("other").root),
            str(Path(__file__).resolve()),
            "/boot",
            "/var/lib/dpkg",
        ]
        bench.python("curious", f"HIDDEN = {hidden}\n{probe}")
        assert bench.said("curious") == ["[]", "[]"]

    def test_links_are_there_and_read_only_where_asked(self, bench: Bench) -> None:
        """Folders and single files, below /opt/ml or elsewhere, one inside the other."""
        source = bench.folder / "source"
        (source / "deep").mkdir(parents=True)
        (source / "deep/file").write_text("content")
        script = """
import errno
print(open("/opt/ml/input/data/train/deep/file").read(), open("/data/one").read(), open("/opt/ml/input/own").read())
for path in ("/opt/ml/input/data/train/new", "/data/one", "/opt/ml/input/written"):
    try:
        open(path, "w").write("w")
    except OSError as error:
        print(errno.errorcode[error.errno])
"""
        inputs = bench.folder / "inputs"
        inputs.mkdir()
        (inputs / "own").write_text("own")
        links = (
            Link(inputs, "input"),
            Link(source, "input/data/train", read_only=True),
            Link(source / "deep/file", "/data/one", read_only=True),
        )
        bench.python("links", script, links=links)
        assert bench.said("links") == ["content content own", "EROFS", "EROFS"]
        assert (inputs / "written").read_text() == "w"
        assert (source / "deep/file").read_text() == "content"

    def test_archives_are_unpacked_before_and_folders_packed_after(self, bench: Bench) -> None:
        """Contents at the archive's root; what is empty or missing is left out, unless asked for."""
        model = archive(bench.folder / "model.tar.gz", {"weights.txt": b"1 2 3", "code/inference.py": b"pass"})
        script = """
import os
print(open("/opt/ml/model/weights.txt").read(), os.path.exists("/opt/ml/model/code/inference.py"))
open("/opt/ml/model/new", "w").write("new")
os.symlink("/opt/ml/model/new", "/opt/ml/model/link")
os.makedirs("/opt/ml/output/data")
"""
        out = bench.folder / "out"
        pack = (
            Pack("model", out / "m.tar.gz"),
            Pack("output/data", out / "d.tar.gz"),
            Pack("no", out / "n.tar.gz", empty=True),
        )
        bench.python("pack", script, links=(Link(model, "input/m"),), unpack=(Unpack("input/m", "model"),), pack=pack)
        assert bench.said("pack") == ["1 2 3 True"]
        assert sorted(path.name for path in out.iterdir()) == ["m.tar.gz", "n.tar.gz"]
        with tarfile.open(out / "m.tar.gz") as tar:
            assert sorted(tar.getnames()) == ["code", "code/inference.py", "link", "new", "weights.txt"]
            link = tar.extractfile("link")
            assert link is not None
            assert link.read() == b"new"
        with tarfile.open(out / "n.tar.gz") as tar:
            assert tar.getnames() == []

    def test_an_archive_that_cannot_be_unpacked_ends_the_task(self, bench: Bench) -> None:
        """With a sentence about what is wrong, before the command runs."""
        bad = {
            "garbage": b"this is no archive",
            "cut": archive(bench.folder / "c", {"x": bytes(range(256)) * 4000}).read_bytes()[:-30],
            "escape": archive(bench.folder / "e", {"../outside": b"x"}).read_bytes(),
            "absolute": archive(bench.folder / "a", {"/opt/outside": b"x"}).read_bytes(),
            "through": archive(bench.folder / "t", {"way": "/opt", "way/outside": b"x"}).read_bytes(),
        }
        for id_, content in bad.items():
            (bench.folder / id_).write_bytes(content)
            link = Link(bench.folder / id_, "input/model.tar.gz", read_only=True)
            end = bench.run(id_, ("echo", "ran"), links=(link,), unpack=(Unpack("input/model.tar.gz", "model"),))
            assert (end.stage, end.started) == ("unpack", None), id_
            assert end.reason.startswith("model.tar.gz could not be unpacked: "), id_
            assert bench.said(id_) == []

    def test_a_container_has_no_power_over_the_machine(self, bench: Bench) -> None:
        """Not as root either: no device, no mount, no setting of the kernel, no process, no file of the system."""
        script = """
import ctypes, os, signal, socket, stat
libc = ctypes.CDLL(None, use_errno=True)
def mount():
    if libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None):
        raise OSError(ctypes.get_errno(), "mount")
def disk():
    os.mknod("/tmp/disk", 0o600 | stat.S_IFBLK, os.makedev(8, 0))
    open("/tmp/disk", "rb")
attempts = [mount, disk, lambda: socket.sethostname("other"), lambda: os.kill(HERE, signal.SIGCONT), lambda: os.nice(-20)]
attempts += [lambda path=path: open(path, "r+") for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger")]
attempts += [lambda path=path: open(f"{path}/planted", "w") for path in ("/usr", "/opt/image", "/opt/image-env", "/etc/ssl/certs")]
for number, attempt in enumerate(attempts):
    try:
        attempt()
        print("broke out by", number)
    except OSError:
        pass
print(len([name for name in os.listdir("/proc") if name.isdigit()]))
"""
        bench.python("power", script.replace("HERE", str(os.getpid())))
        assert bench.said("power") == ["2"], bench.said("power")

    def test_without_a_network_there_is_none(self, bench: Bench) -> None:
        """No way out and no names; a loopback of its own, and its own name."""
        script = """
import socket
listening = socket.create_server(("127.0.0.1", 0))
socket.create_connection(listening.getsockname()).close()
print(socket.gethostname(), socket.gethostbyname("algo-1"), sorted(name for _, name in socket.if_nameindex()))
for attempt in (lambda: socket.create_connection(("192.0.2.1", 80), 5), lambda: socket.getaddrinfo("example.com", 80),
                lambda: socket.create_connection(("127.0.0.1", PORT), 5)):
    try:
        print("reached", attempt())
    except OSError as error:
        print(type(error).__name__)
"""
        with socket.create_server(("127.0.0.1", 0)) as outside:
            bench.python("alone", script.replace("PORT", str(outside.getsockname()[1])), network=False)
        assert bench.said("alone") == ["algo-1 127.0.0.1 ['lo']", "OSError", "gaierror", "ConnectionRefusedError"]

    def test_with_a_network_the_platform_is_reached(self, bench: Bench) -> None:
        """On this machine's loopback, where its endpoint is."""
        with socket.create_server(("127.0.0.1", 0)) as outside:
            port = outside.getsockname()[1]
            bench.python("linked", f"import socket; socket.create_connection(('127.0.0.1', {port})); print('reached')")
        assert bench.said("linked") == ["reached"]

    def test_a_serving_task_answers_on_its_socket(self, bench: Bench) -> None:
        """Also without a network."""
        task = bench.start("serve", ("python", "-c", _SERVER), serves=True, network=False)
        bench.hear("serve", "serving")
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        assert task.socket is not None
        connection.sock.connect(str(task.socket))
        connection.request("GET", "/ping")
        assert connection.getresponse().read() == b"pong"
        connection.close()
        bench.compute.discard("serve")

    def test_what_a_job_installs_is_its_own(self, bench: Bench) -> None:
        """Pip works in the job, sees the image's packages, and changes them for nobody else."""
        package = bench.folder / "package"
        package.mkdir()
        (package / "mine.py").write_text("word = 'installed'")
        (package / "mine-1.0.dist-info").mkdir()
        (package / "mine-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
        (package / "mine-1.0.dist-info/WHEEL").write_text(
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        (package / "mine-1.0.dist-info/RECORD").write_text("")
        wheel = "cd /opt/ml/input && python -m zipfile -c /tmp/mine-1.0-py3-none-any.whl mine.py mine-1.0.dist-info"
        install = "pip install -q --no-index /tmp/mine-1.0-py3-none-any.whl && pip3 list --format freeze"
        links = (Link(package, "input", read_only=True),)
        bench.run(
            "install", ("sh", "-c", f"{wheel} && {install} && python -c 'import mine; print(mine.word)'"), links=links
        )
        assert "mine==1.0" in bench.said("install")
        assert any(line.startswith("pip==") for line in bench.said("install"))
        assert bench.said("install")[-1] == "installed"
        assert bench.python("afterwards", "import mine").code == 1
