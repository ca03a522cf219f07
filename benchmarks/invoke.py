"""What InvokeEndpoint adds to a direct call of the container: the same XGBoost model, rows and caller, in one run.

    .venv/bin/python benchmarks/invoke.py [--calls 2000]

Direct is HTTP over the container's own unix socket; through the endpoint is a request signed once per call (SigV4) over
TCP. Both by the same caller, which keeps one connection and takes the two in turn.
"""

import argparse
import http.client
import io
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from threading import Event
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from harness import Server, ours

from sagebrush.kernel.base.settings import Settings
from sagebrush.kernel.compute.images import Images

ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
ROW = b"17.99,10.38,122.8,1001.0,0.1184,0.2776,0.3001,0.1471,0.2419,0.0787"
TRAIN = """
import sys, numpy, xgboost
rng = numpy.random.default_rng(7)
x = rng.normal(size=(2000, 10)); y = (x.sum(axis=1) > 0).astype(int)
model = xgboost.train({"objective": "binary:logistic", "max_depth": 4}, xgboost.DMatrix(x, y), 50)
model.save_model(sys.argv[1])
"""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def deploy(server: Server) -> None:
    """Train a model with the image's own XGBoost and put it behind an endpoint."""
    images = Images(Settings().cache)
    image = images.resolve(IMAGE)
    assert image is not None
    environment = images.build(image)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "xgboost-model")
        subprocess.run([environment.folder / "bin/python", "-c", TRAIN, f"{model}.ubj"], check=True)
        Path(f"{model}.ubj").rename(model)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            tar.add(model, "xgboost-model")
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    s3.create_bucket(Bucket="bench")
    s3.put_object(Bucket="bench", Key="model.tar.gz", Body=buffer.getvalue())
    container = {"Image": IMAGE, "ModelDataUrl": "s3://bench/model.tar.gz"}
    sagemaker.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    while (found := sagemaker.describe_endpoint(EndpointName="e"))["EndpointStatus"] == "Creating":
        Event().wait(0.01)
    assert found["EndpointStatus"] == "InService", found


def signed(server: Server, body: bytes) -> dict[str, str]:
    """Return the headers of a signed InvokeEndpoint."""
    url = f"{server.endpoint}/endpoints/e/invocations"
    request = AWSRequest("POST", url, headers={"Content-Type": "text/csv"}, data=body)
    SigV4Auth(Credentials(server.key, server.secret), "sagemaker", "us-east-1").add_auth(request)
    return dict(request.headers.items())


def timed(connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]) -> float:
    """Return the seconds of one call; its answer must be a prediction."""
    began = time.perf_counter()
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    took = time.perf_counter() - began
    assert answer.status == 200, text
    float(text.split(b",")[0])
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    calls = parser.parse_args().calls
    with ours() as server:
        deploy(server)
        (task,) = [found for found in (server.data / "tasks").iterdir() if (found / "task.json").exists()]
        place = urlsplit(server.endpoint)
        near = UnixConnection(str(task / "root/run/http.sock"))
        far = http.client.HTTPConnection(str(place.hostname), int(place.port or 0))
        for rows in (1, 100):
            body = b"\n".join([ROW] * rows)
            direct: list[float] = []
            through: list[float] = []
            for number in range(calls + 100):
                a = timed(near, "/invocations", body, {"Content-Type": "text/csv"})
                headers = signed(server, body)
                b = timed(far, "/endpoints/e/invocations", body, headers)
                if number >= 100:
                    direct.append(a * 1000)
                    through.append(b * 1000)
            added = median(b - a for a, b in zip(direct, through, strict=True))
            p99 = quantiles(through, n=100)[98]
            print(
                f"{rows:>4} rows: direct p50 {median(direct):.3f} ms, endpoint p50 {median(through):.3f} ms,"
                f" added p50 {added:.3f} ms; endpoint p99 {p99:.3f} ms"
            )


if __name__ == "__main__":
    sys.exit(main())
