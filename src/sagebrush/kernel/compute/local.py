"""Tasks on this machine: each in a sandbox, owned by a runner that outlives the server."""

import logging
import os
import re
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sagebrush.kernel.compute import start
from sagebrush.kernel.compute.base import Phase, Stage, Task, TaskSpec
from sagebrush.kernel.compute.build import BuildError
from sagebrush.kernel.compute.capacity import Capacity
from sagebrush.kernel.compute.images import Image, Images
from sagebrush.kernel.compute.limits import machine
from sagebrush.kernel.compute.place import Place
from sagebrush.kernel.compute.pump import LogSink, Pump
from sagebrush.kernel.compute.sandbox import SOCKET, Backend
from sagebrush.kernel.compute.watch import Watch

log = logging.getLogger(__name__)

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,200}")
_LAST_WORD = 10.0
"""Seconds for which the end of a killed runner is awaited."""


class LocalCompute:
    """The sandbox backend of `Compute`. One process at a time owns a folder of tasks.

    `changed` is called with the owner of a task that has entered another phase or ended, from any thread.
    """

    def __init__(
        self, folder: Path, images: Images, backend: Backend, logs: LogSink, changed: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._images = images
        self._backend = backend
        self._owner_changed = changed
        self._pump = Pump(logs)
        self._lock = threading.RLock()
        self._capacity = Capacity(machine())
        self._places: dict[str, Place] = {}
        self._queue: list[str] = []
        self._messages: dict[str, str] = {}
        self._phases: dict[str, Phase | None] = {}
        self._gone = threading.Condition(self._lock)
        self._builders = ThreadPoolExecutor(2, thread_name_prefix="images")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._watch = Watch(folder / ".events", self._news, self._ended)
        self._find_again()

    def close(self) -> None:
        """Stop watching. Tasks that run go on; those that wait start with the next process over the same folder."""
        self._watch.close()
        self._builders.shutdown(cancel_futures=True)

    # ------------------------------------------------------------------ the port

    def ensure(self, id: str, spec: Callable[[], TaskSpec]) -> Task:  # noqa: A002
        """Return the task of that id; where there is none, queue or start what `spec` returns."""
        found = self.find(id)
        if found is not None:
            return found
        given = spec()
        if given.id != id or not _ID.fullmatch(id):
            message = f"a task's id must be [a-z0-9-]+ and its specification's: {id!r}, {given.id!r}"
            raise ValueError(message)
        self._image(given)
        place = Place.make(self._folder / id, given)
        with self._lock:
            if id not in self._places and place.exit() is None:
                self._places[id] = place
                self._queue.append(id)
                self._admit()
        return self._task(place)

    def find(self, id: str) -> Task | None:  # noqa: A002
        """Return the task of that id, or None."""
        if not _ID.fullmatch(id):
            return None
        try:
            return self._task(self._places.get(id) or Place(self._folder / id))
        except FileNotFoundError:
            return None  # there never was one, or it has been discarded just now

    def all(self) -> list[Task]:
        """Return every task that is not discarded."""
        ids = sorted(entry.name for entry in os.scandir(self._folder) if _ID.fullmatch(entry.name))
        return [task for task in map(self.find, ids) if task is not None]

    def stop(self, id: str, grace: float = 120.0) -> None:  # noqa: A002
        """Have a task end: SIGTERM, `grace` seconds, SIGKILL."""
        with self._lock:
            place = self._places.get(id)
            if place is None:
                return
            place.wish_stop(grace)
            if id in self._queue:
                self._finish(place, "stop", "Stopped while it waited.")
            else:
                self._watch.signal(id, signal.SIGTERM)

    def discard(self, id: str) -> None:  # noqa: A002
        """Remove everything of a task; one that has not ended is killed first."""
        with self._lock:
            place = self._places.get(id)
            if place is not None:
                place.wish_stop(0)
                if id in self._queue:
                    self._finish(place, "stop", "Discarded while it waited.")
                self._watch.signal(id, signal.SIGKILL)
                if not self._gone.wait_for(lambda: id not in self._places, _LAST_WORD):
                    self._finish(place, "stop", "Discarded.")
        folder = self._folder / id
        if not _ID.fullmatch(id) or not folder.exists():
            return
        start.clear(Place(folder), _LAST_WORD)
        trash = self._folder / f".old-{id}-{os.urandom(4).hex()}"
        folder.rename(trash)
        start.remove(trash)

    def tail(self, id: str, lines: int = 20) -> str:  # noqa: A002
        """Return the last lines of a task's output; "" where there is no such task."""
        return Place(self._folder / id).tail(lines) if _ID.fullmatch(id) else ""

    # ------------------------------------------------------------------ what a task is now

    def _task(self, place: Place) -> Task:
        spec, end = place.spec, None if place.id in self._places else place.exit()
        entered, started = place.phase()
        phase = "Exited" if end else entered or ("Queued" if place.id in self._queue else "Preparing")
        socket = place.root / SOCKET if spec.serves else None
        message = "" if end else self._messages.get(place.id, "")
        return Task(place.id, spec.owner, phase, end, place.root, socket, message, started)

    def _image(self, spec: TaskSpec) -> Image:
        image = self._images.get(spec.image)
        if image is None:
            message = f"there is no image {spec.image!r}"
            raise ValueError(message)
        return image

    # ------------------------------------------------------------------ the life of a task

    def _find_again(self) -> None:
        """Take up the tasks of a former process: those that run, those that ended unseen, those that wait."""
        for entry in list(os.scandir(self._folder)):
            if entry.name.startswith((".new-", ".old-")):
                start.remove(Path(entry.path))
        places = [Place(self._folder / task.id) for task in self.all()]
        with self._lock:
            # Those that run come first, so that their room is taken before others are given any.
            for place in sorted(places, key=lambda place: (place.runner() is None, place.created)):
                self._pump.move(place.folder / "log", place.spec)
                if place.exit() is None:
                    self._places[place.id] = place
                    self._take_up(place)
            self._admit()

    def _take_up(self, place: Place) -> None:
        """Follow the runner of a task that has one; queue, or write the end of, a task that has none."""
        pid = place.runner()
        if pid is not None:
            self._capacity.lend(place.id, place.spec.limits, serves=place.spec.serves, cores=start.cores(place))
            if self._watch.follow(place.id, pid):
                if place.stopping():
                    self._watch.signal(place.id, signal.SIGTERM)
                return
        if place.exit() is not None:
            self._finish(place)
        elif place.phase()[0] is not None:
            self._finish(place, "lost", "The process that ran the task has vanished.", 128 + signal.SIGKILL)
        elif place.stopping():
            self._finish(place, "stop", "Stopped before it began.", 128 + signal.SIGTERM)
        else:
            self._capacity.give_back(place.id)
            self._queue.append(place.id)

    def _admit(self) -> None:
        """Start what may start: in the order of the queue, but for tasks that serve, which never wait."""
        with self._lock:
            full = False
            for id_ in list(self._queue):
                spec = self._places[id_].spec if id_ in self._queue else None
                if spec is None or (full and not spec.serves):
                    continue
                if self._capacity.fits(spec.limits, serves=spec.serves):
                    self._queue.remove(id_)
                    self._capacity.lend(id_, spec.limits, serves=spec.serves)
                    self._prepare(self._places[id_])
                else:
                    full = True
                    self._messages[id_] = f"Waiting for {spec.limits.cpus} of this machine's cores"

    def _prepare(self, place: Place) -> None:
        """Start a task; where its image's environment is missing, that is built first, in another thread."""
        image = self._image(place.spec)
        self._messages.pop(place.id, None)
        if self._images.built(image):
            self._start(place, image)
        else:
            self._messages[place.id] = f"Building the environment of image {image.name}"
            self._builders.submit(self._build, place, image)

    def _build(self, place: Place, image: Image) -> None:
        def told(text: str, _done: float) -> None:
            self._messages[place.id] = f"Building the environment of image {image.name}: {text}"

        try:
            self._images.build(image, told)
        except BuildError as error:
            self._finish(place, "image", f"The environment of image {image.name} could not be built: {error}")
        except Exception as error:  # whatever fails in this thread must end the task, or it would hang for ever
            log.exception("building image %s failed", image.name)
            self._finish(place, "image", str(error))
        else:
            self._start(place, image)

    def _start(self, place: Place, image: Image) -> None:
        with self._lock:
            self._messages.pop(place.id, None)
            if place.id not in self._places:
                return
            if place.stopping():
                self._finish(place, "stop", "Stopped before it began.", 128 + signal.SIGTERM)
                return
            try:
                environment = self._images.build(image)
                loan = self._capacity.loans[place.id]
                start.prepare(place, image, environment, self._backend, self._images.pip, loan.cores)
                self._watch.follow(place.id, start.run(place))
            except (OSError, BuildError) as error:
                self._finish(place, "start", f"The sandbox could not be made: {error}")

    def _news(self, id: str) -> None:  # noqa: A002
        """Move new lines of output; tell the owner, if the phase is another."""
        place = self._places.get(id)
        if place is None:
            return
        self._pump.move(place.folder / "log", place.spec)
        phase = place.phase()[0]
        if self._phases.get(id) != phase:
            self._phases[id] = phase
            self._owner_changed(place.spec.owner)

    def _ended(self, id: str) -> None:  # noqa: A002
        """Look at a task whose runner has ended; that may have been a second one, which found the first at work."""
        with self._lock:
            place = self._places.get(id)
            if place is None:
                return
            if place.runner() is None and place.exit() is None and place.phase()[0] is None and not place.stopping():
                complaint = (place.folder / "runner.err").read_text("utf-8", "replace").strip()
                self._finish(place, "start", f"The task's runner did not start: {complaint[-800:]}")
            else:
                self._take_up(place)
                self._admit()

    def _finish(self, place: Place, stage: Stage | None = None, reason: str = "", code: int = 143) -> None:
        """Let go of a task that has ended, writing its end where it has none; then start what waited for its room."""
        with self._lock:
            if place.id not in self._places:
                return
            if stage is not None:
                place.end(stage, reason, code)
            try:
                self._pump.move(place.folder / "log", place.spec)
            except Exception:  # whatever ails the log store, the end of a task must be told
                log.exception("the last lines of %s wait for the next start", place.id)
            self._pump.forget(place.id)
            for known in (self._places, self._messages, self._phases):
                known.pop(place.id, None)
            if place.id in self._queue:
                self._queue.remove(place.id)
            self._capacity.give_back(place.id)
            self._gone.notify_all()
            self._admit()
        start.clear(place)
        self._owner_changed(place.spec.owner)
