"""A kind of resource. Create, Describe, List and Delete follow from botocore's shapes and a declaration."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from botocore import xform_name
from botocore.model import OperationModel, StructureShape

from sagebrush.kernel.base.arns import Arn
from sagebrush.kernel.base.errors import AwsError, validation
from sagebrush.kernel.grammar import listing
from sagebrush.kernel.grammar.call import Call, Handler, Result, World
from sagebrush.kernel.grammar.lifecycle import Lifecycle
from sagebrush.kernel.grammar.members import each, paths_with, tags_in
from sagebrush.kernel.state.record import Event, Record
from sagebrush.kernel.state.records import AlreadyExistsError, StaleError
from sagebrush.kernel.wire.models import service_model

Check = Callable[[Call, Record], Record]
Drive = Callable[[Record, World], Record | None]
Removal = Callable[[Call, Record], Record | None]
Refusal = Callable[[str, str], AwsError]

_TIMES = ("Time", "Timestamp")


class Resource:
    """One kind of a service.

    - `slug` is its type in ARNs; `verbs` are the operations derived.
    - `missing(name, arn)` and `duplicate(name, arn)` word the refusals, which differ from kind to kind.
    - `descending` is the order of List where the request names none; `filters` maps List's own filters to paths.
    - `refuses` maps members of Create to the reason why this platform cannot honour them: given, they are refused by
      name. `recorded` names those that change nothing here: kept, returned, and listed on the coverage page.
    """

    def __init__(
        self,
        service: str,
        kind: str,
        lifecycle: Lifecycle | None = None,
        *,
        slug: str,
        missing: Refusal,
        duplicate: Refusal,
        verbs: Iterable[str] = ("Create", "Describe", "List", "Delete"),
        descending: bool = True,
        filters: Mapping[str, str] | None = None,
        refuses: Mapping[str, str] | None = None,
        recorded: Iterable[str] = (),
        event: str | None = None,
    ) -> None:
        self.service = service
        self.kind = kind
        self.lifecycle = lifecycle
        self.slug = slug
        self.missing = missing
        self.duplicate = duplicate
        self.verbs = tuple(verbs)
        self.descending = descending
        self.filters = dict(filters or {})
        self.refuses = dict(refuses or {})
        self.recorded = tuple(recorded)
        self.event = event or (lifecycle.event if lifecycle else None)
        self.drive: Drive | None = None
        self._check: Check | None = None
        self._remove: Removal | None = None
        self._view: Callable[[Record], Record] = lambda record: record

    def on_create(self, check: Check) -> Check:
        """Have `check` look at a new record before it is stored: it refuses by raising, or returns what to store."""
        self._check = check
        return check

    def on_drive(self, drive: Drive) -> Drive:
        """Have the drive loop call `drive` for each unfinished record; it returns None to remove the record."""
        self.drive = drive
        return drive

    def on_describe(self, view: Callable[[Record], Record]) -> Callable[[Record], Record]:
        """Have `view` derive what Describe and List show from what is stored."""
        self._view = view
        return view

    def on_delete(self, remove: Removal) -> Removal:
        """Have `remove` decide on Delete: None removes the record at once, a record is stored and driven instead."""
        self._remove = remove
        return remove

    # ------------------------------------------------------------------ names

    @property
    def type(self) -> str:
        """The kind as records carry it: `sagemaker:TrainingJob`."""
        return f"{self.service}:{self.kind}"

    @property
    def name_member(self) -> str:
        """The member that names a resource of this kind."""
        return f"{self.kind}Name"

    @property
    def arn_member(self) -> str:
        """The member that holds its ARN."""
        return f"{self.kind}Arn"

    def arn(self, account: str, region: str, name: str) -> str:
        """Return the ARN of a name; SageMaker lower-cases the name in it."""
        return str(Arn(self.service, region, account, f"{self.slug}/{name.lower()}"))

    def _model(self, operation: str) -> OperationModel:
        return service_model(self.service).operation_model(operation)

    @cached_property
    def _plural(self) -> str:
        names = service_model(self.service).operation_names
        return next(name for name in (f"List{self.kind}s", f"List{self.kind[:-1]}ies") if name in names)

    @cached_property
    def _described(self) -> frozenset[str]:
        return frozenset(_structure(self._model(f"Describe{self.kind}").output_shape).members)

    @cached_property
    def _summary(self) -> tuple[str, frozenset[str]]:
        members = _structure(self._model(self._plural).output_shape).members
        name, shape = next((name, shape) for name, shape in members.items() if shape.type_name == "list")
        return name, frozenset(_structure(getattr(shape, "member", None)).members)

    # ------------------------------------------------------------------ operations

    def operations(self) -> dict[str, Handler]:
        """Return the derived operations by their boto3 names."""
        handlers: dict[str, tuple[str, Handler]] = {
            "Create": (f"Create{self.kind}", self.create),
            "Describe": (f"Describe{self.kind}", self.show),
            "List": (self._plural, self.summaries),
            "Delete": (f"Delete{self.kind}", self.delete),
        }
        return {xform_name(handlers[verb][0]): handlers[verb][1] for verb in self.verbs}

    def create(self, call: Call) -> Result:
        """Store a new resource as the request describes it, unless a check refuses it; have it driven."""
        name = call.params[self.name_member]
        arn = self.arn(call.account, call.region, name)
        for path, reason in self.refuses.items():
            if any(value not in (None, False, [], {}) for value in each(call.params, path)):
                raise validation(f"{path} is not supported by this platform: {reason}")
        for path in paths_with(call.params, "\0"):
            raise validation(f"{path} must not contain the character NUL.")
        if call.world.records.by_arn(arn) is not None:
            raise self.duplicate(name, arn)
        tags = tags_in(call.params)
        record = Record(
            kind=self.type,
            account=call.account,
            region=call.region,
            name=name,
            arn=arn,
            status=self.lifecycle.initial if self.lifecycle else "",
            created=call.now,
            modified=call.now,
            body={member: value for member, value in call.params.items() if member != "Tags"},
            due=call.now if self.drive else None,
        )
        if self._check:
            record = self._check(call, record)
        try:
            record = call.world.records.create(record, tags, self.events(None, record))
        except AlreadyExistsError:
            raise self.duplicate(name, arn) from None
        call.world.wake(arn)
        return {self.arn_member: arn}

    def show(self, call: Call) -> Result:
        """Answer Describe."""
        return self.describe(self.find(call))

    def summaries(self, call: Call) -> Result:
        """Answer List: filtered, sorted, paged."""
        asked = listing.query(
            self.type, call.account, call.region, call.params, descending=self.descending, filters=self.filters
        )
        page = call.world.records.find(asked)
        member, shown = self._summary
        views = [self.view(record) for record in page.records]
        summaries = [{name: value for name, value in view.items() if name in shown} for view in views]
        return {member: summaries, "NextToken": listing.token(page, asked)}

    def delete(self, call: Call) -> Result:
        """Answer Delete: remove the resource, or store what the kind makes of the wish."""
        while True:
            record = self.find(call)
            left = self._remove(call, record) if self._remove else None
            if left is None:
                call.world.records.delete(record)
                return {}
            try:
                self.save(call.world, record, left)
            except StaleError:
                continue
            call.world.wake(record.arn)
            return {}

    # ------------------------------------------------------------------ for the families' own operations

    def find(self, call: Call, name: str | None = None) -> Record:
        """Return the record that the call names, or `name`. Raises the kind's refusal where there is none."""
        name = name or call.params[self.name_member]
        record = call.world.records.get(self.type, call.account, call.region, name)
        if record is None:
            raise self.missing(name, self.arn(call.account, call.region, name))
        return record

    def change(self, call: Call, step: Callable[[Record], Record]) -> Record:
        """Apply `step` to the named record, whoever else changes it meanwhile; save it and have it driven."""
        while True:
            record = self.find(call)
            try:
                record = self.save(call.world, record, step(record))
            except StaleError:
                continue
            call.world.wake(record.arn)
            return record

    def moved(self, record: Record, status: str, now: float, **members: Any) -> Record:
        """Return the record in another status. Raises IllegalMoveError where the lifecycle does not have the move."""
        if self.lifecycle:
            self.lifecycle.check(record.status, status)
        return replace(record.having(**members), status=status, modified=now)

    def save(self, world: World, old: Record, new: Record) -> Record:
        """Store a changed record together with the events that the change publishes."""
        return world.records.save(new, self.events(old, new))

    def describe(self, record: Record) -> Result:
        """Return what Describe shows."""
        return {name: value for name, value in self.view(record).items() if name in self._described}

    def view(self, record: Record) -> Result:
        """Return every member that Describe or a summary may show."""
        shown = self._view(record)
        view = {
            **shown.body,
            self.name_member: shown.name,
            self.arn_member: shown.arn,
            "CreationTime": shown.created,
            "LastModifiedTime": shown.modified,
        }
        if self.lifecycle:
            view[self.lifecycle.member] = shown.status
        return view

    def events(self, old: Record | None, new: Record) -> list[Event]:
        """Return the events that a change publishes: one for each change of status or secondary status."""
        if self.event is None or (old is not None and _state(old) == _state(new)):
            return []
        detail = _millis(self.describe(new))
        return [Event(f"aws.{self.service}", self.event, detail, (new.arn,))]


def _state(record: Record) -> tuple[str, Any]:
    return record.status, record.get("SecondaryStatus")


def _millis(detail: Any) -> Any:
    """Return the detail with its times, nested ones too, as EventBridge shows SageMaker's: epoch milliseconds."""
    if isinstance(detail, list):
        return [_millis(element) for element in detail]
    if not isinstance(detail, dict):
        return detail
    return {
        name: round(value * 1000) if isinstance(value, float) and name.endswith(_TIMES) else _millis(value)
        for name, value in detail.items()
    }


def _structure(shape: Any) -> StructureShape:
    if not isinstance(shape, StructureShape):
        message = f"not a structure: {shape!r}"
        raise TypeError(message)
    return shape
