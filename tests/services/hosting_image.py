"""The image `echo`: it obeys SageMaker's serving contract with the standard library alone."""

from pathlib import Path

BATCH = Path(__file__).resolve().parents[2] / "images" / "batch"

_TOML = """
name = "echo"
description = "Serves a handler.py"
python = "3.11"
requirements = []
[entry]
serve = ["python", "/opt/image/serve.py"]
[repositories]
"echo" = ["*"]
[versions]
"""
_SERVE = """
import os, socketserver, sys
from http.server import BaseHTTPRequestHandler

sys.path.insert(0, "/opt/ml/model")
print("loading", flush=True)
import handler

class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

class Contract(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def address_string(self): return "client"
    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        healthy = self.path == "/ping" and getattr(handler, "ping", lambda: True)()
        self.answer(200 if healthy else 404, {}, b"")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.answer(*handler.handle(self.headers, body))

path = os.environ["SAGEBRUSH_SOCKET"]
os.makedirs(os.path.dirname(path), exist_ok=True)
if os.path.exists(path):
    os.unlink(path)
Server(path, Contract).serve_forever()
"""


def image_folder(folder: Path) -> Path:
    """Return a folder with the image `echo` and the platform's own `batch`."""
    (folder / "echo").mkdir(parents=True)
    (folder / "echo" / "image.toml").write_text(_TOML)
    (folder / "echo" / "serve.py").write_text(_SERVE)
    (folder / "batch").symlink_to(BATCH)
    return folder
