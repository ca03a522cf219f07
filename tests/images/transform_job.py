"""A transform job for tests: objects, a request, the agent, and a small model behind the real host."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from tests.images.contract import Container, Result, Server

MODEL = '''
import json, os, threading
from _kit import host
from _kit.http import Response

BASE = os.environ["SAGEMAKER_BASE_DIR"]
lock, running, most, seen = threading.Lock(), 0, 0, []
together = threading.Barrier(2)

def main():
    host.serve(lambda: host.App(invoke, json.loads(os.environ.get("PARAMETERS", "{}")), anywhere=True))

def invoke(request):
    """Sum the cells of each row; `bad` rows are a client error, `crash` a server error, `flaky` only the first time."""
    body = request.body
    seen.append(body)
    if body == b"seen":
        return Response(200, json.dumps([item.decode("latin-1") for item in seen[:-1]]).encode())
    if request.content_type == "application/octet-stream":
        return Response(200, b"%d;" % len(body))
    if request.content_type == "application/jsonlines":
        return Response(200, b"".join(json.dumps({"sum": sum(json.loads(line)["x"])}).encode() + b"\\n" for line in body.splitlines()))
    if b"bad" in body:
        return Response(400, b"no number: bad")
    if b"crash" in body:
        return Response(500, b"model fell over")
    if b"flaky" in body and seen.count(body) == 1:
        return Response(503, b"later")
    if b"meet" in body:
        together.wait(60)                                   # two requests at a time, or never
        return Response(200, body)
    if b"block" in body:
        with open(BASE + "/started", "w"): pass
        open(BASE + "/fifo").read()
    sums = [sum(float(cell) for cell in line.split(",") if cell not in ("flaky", "block")) for line in body.decode().split()]
    return Response(200, "".join(f"{value:g}\\n" for value in sums).encode())
'''


class Job:
    """A transform job: objects by key, the request, the model that answers."""

    def __init__(self, base: Path) -> None:
        self.agent = Container("batch", base)
        folder = base / "model-image"
        folder.mkdir()
        (folder / "serve.py").write_text(MODEL)
        self.model = Container(str(folder), base, environment={"SAGEMAKER_MODEL_SERVER_WORKERS": "1"})
        self.keys: list[str] = []
        self.sent: list[bytes] = []

    def put(self, key: str, data: bytes | str) -> None:
        """Put an object into the input."""
        self.agent.write(f"input/{key}", data)
        self.keys.append(key)

    def describe(self, **members: object) -> None:
        """Write transform.json: CSV by lines unless said otherwise."""
        split = {"ContentType": "text/csv", "SplitType": "Line"}
        request = {"TransformInput": split, "TransformOutput": {"AssembleWith": "Line"}, **members}
        request |= {
            "Inputs": [{"Key": key} for key in self.keys],
            "Socket": str(self.agent.socket),
            "PingTimeoutInSeconds": 60,
        }
        self.agent.write("config/transform.json", json.dumps(request))

    @contextlib.contextmanager
    def serving(self) -> Iterator[Server]:
        """Serve the model."""
        with self.model.serving() as server:
            yield server

    def run(self, **members: object) -> Result:
        """Run the job to its end; remember what the model was sent."""
        self.describe(**members)
        with self.serving() as server:
            result = self.agent.run("transform")
            self.sent = [text.encode("latin-1") for text in json.loads(server.predict("seen").body)]
        return result

    def output(self) -> dict[str, str]:
        """Return all output objects."""
        folder = self.agent.base / "output"
        found = (path for path in folder.rglob("*") if path.is_file() and path.name != "failure")
        return {str(path.relative_to(folder)): path.read_text() for path in found}

    def failure(self) -> str:
        """Return the failure file."""
        return self.agent.read("output/failure")
