"""The composition root: reads settings, picks adapters, opens the door."""

import asyncio
import fcntl
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import uvicorn
import uvloop

from sagebrush import __version__
from sagebrush.kernel.auth.identities import Identities
from sagebrush.kernel.base import files
from sagebrush.kernel.base.clock import MovableClock
from sagebrush.kernel.base.settings import Settings
from sagebrush.kernel.compute.http import Client as ContainerClient
from sagebrush.kernel.compute.images import Images, folders_of
from sagebrush.kernel.compute.local import LocalCompute
from sagebrush.kernel.compute.routes import Routes
from sagebrush.kernel.compute.sandbox import choose
from sagebrush.kernel.gateway import own
from sagebrush.kernel.gateway.app import App
from sagebrush.kernel.gateway.authority import Authority
from sagebrush.kernel.gateway.chain import Chain
from sagebrush.kernel.gateway.door import open_door
from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.grammar.drive import DriveLoop
from sagebrush.kernel.grammar.service import Services
from sagebrush.kernel.objects.files import FileStore
from sagebrush.kernel.objects.recovery import recover
from sagebrush.kernel.signals.events import Events
from sagebrush.kernel.signals.logs import LogStore
from sagebrush.kernel.signals.metrics import MetricStore
from sagebrush.kernel.signals.tally import Tally
from sagebrush.kernel.state import keys, lines, points, records
from sagebrush.kernel.state.keys import KeyIndex
from sagebrush.kernel.state.records import Records
from sagebrush.kernel.state.sqlite import Database
from sagebrush.services.catalogue import all_services

_THREADS = 16


class AlreadyRunningError(Exception):
    """Another process serves this data directory."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a platform answers: the API's URL and the URL of the HTTPS proxy door."""

    endpoint: str
    door: str


class _Bell:
    """Tells the drive loop of what happens to tasks; before there is one, nobody: it begins by looking at all."""

    def __init__(self) -> None:
        self.to: Callable[[str], None] = lambda _: None

    def ring(self, arn: str) -> None:
        """Have the loop look at the record with this ARN."""
        self.to(arn)


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[World, Services, DriveLoop]]:
    """Give a platform's world with every adapter open, but nobody listening yet.

    Raises AlreadyRunningError where another process has the data directory.
    """
    with ExitStack() as stack:
        stack.enter_context(_only_one(settings.data))
        state = Database(settings.data / "state.db", records.SCHEMA)
        objects = Database(settings.data / "objects.db", keys.SCHEMA)
        signals = Database(settings.data / "signals.db", lines.SCHEMA + points.SCHEMA)
        for database in (state, objects, signals):
            stack.callback(database.close)
        clock = MovableClock()
        store = Records(state)
        logs = LogStore(signals, clock)
        metrics = MetricStore(signals, clock)
        images = Images(settings.cache, folders_of(settings))
        bell = _Bell()
        compute = LocalCompute(settings.data / "tasks", images, choose(settings.backend), logs, bell.ring)
        stack.callback(compute.close)
        index = KeyIndex(objects)
        blobs = FileStore(settings.data / "objects")
        recover(index, blobs)
        services = Services(all_services())
        pool = stack.enter_context(ThreadPoolExecutor(_THREADS, thread_name_prefix="call"))
        world = World(
            settings=settings,
            clock=clock,
            records=store,
            keys=index,
            objects=blobs,
            logs=logs,
            metrics=metrics,
            events=Events(store, clock),
            tally=Tally(metrics, clock, pool),
            compute=compute,
            routes=Routes(),
            containers=ContainerClient(),
            images=images,
            identities=Identities(store, settings, clock),
            registry=services,
            pool=pool,
        )
        drive = DriveLoop(world, services)
        world.wake = bell.to = drive.wake
        yield world, services, drive


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another platform serves {data}; stop it with `sagebrush down --data {data}`"
            raise AlreadyRunningError(message) from None
        yield


async def serve(settings: Settings, ready: Callable[[Address], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is told the address once every call is answered.

    `<data>/server.json` holds the address as long as the platform runs. Tasks go on after the end.
    Raises AlreadyRunningError, and OSError where the port is taken.
    """
    with opened(settings) as (world, services, drive):
        world.loop = asyncio.get_running_loop()
        listener = _listen(settings.host, settings.port, settings.data / "port")
        port = listener.getsockname()[1]
        authority = Authority(settings.data / "ca")
        chain = Chain(world, services)
        app = App(chain.handle, own.routes(world))
        door = await open_door(_listen(settings.host, settings.door_port, settings.data / "door-port"), port, authority)
        address = Address(f"http://{_named(settings.host)}:{port}", f"http://{_named(settings.host)}:{door.port}")
        world.environment = own.environment(settings, address.endpoint, address.door)
        world.certificates = own.certificates(authority)
        drive.start()
        server = _server(app)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await _started(server, serving)
            _announce(settings, address)
            ready(address)
            await serving
        finally:
            (settings.data / "server.json").unlink(missing_ok=True)
            await door.close()
            world.containers.close()
            await asyncio.to_thread(drive.stop)


def run(settings: Settings, ready: Callable[[Address], None]) -> None:
    """Run `serve` on an event loop of its own."""
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, ready))


def _listen(host: str, port: int, memory: Path) -> socket.socket:
    """Return a listening socket; for port 0 one with the port that `memory` has from the last time, if it is free.

    Tasks outlive the server and go on calling the address that they were given.
    """
    wanted = [port] if port else [int(memory.read_text()) if memory.exists() else 0, 0]
    for attempt, number in enumerate(wanted, 1):
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, number))
            listener.listen(2048)
        except OSError:
            listener.close()
            if attempt == len(wanted):
                raise
            continue
        files.write(memory, str(listener.getsockname()[1]).encode())
        return listener
    raise AssertionError


def _named(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class _Server(uvicorn.Server):
    """uvicorn, which ends on a signal and does not raise it again afterwards: there is more to close."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Heed SIGINT and SIGTERM while the block runs, where this is the main thread."""
        loop = asyncio.get_running_loop()
        heeded = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        for number in heeded:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in heeded:
                loop.remove_signal_handler(number)


def _server(app: App) -> uvicorn.Server:
    config: Any = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        backlog=2048,
    )
    return _Server(config)


async def _started(server: uvicorn.Server, serving: "asyncio.Task[None]") -> None:
    while not server.started:
        if serving.done():
            await serving
        await asyncio.sleep(0.002)


def _announce(settings: Settings, address: Address) -> None:
    about = {
        **asdict(address),
        "pid": os.getpid(),
        "version": __version__,
        "started": time.time(),
        "account": settings.account,
        "region": settings.region,
    }
    files.write(settings.data / "server.json", orjson.dumps(about))
