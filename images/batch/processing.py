"""DataProcessing of a transform job: InputFilter, JoinSource, OutputFilter, over CSV, JSON and JSON lines.

A CSV row is an array of its cells, so that only paths of indices lead anywhere in it.
https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html
"""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from _kit.media import media_type

from . import jsonpath

_FORMATS = {
    "text/csv": "csv",
    "application/json": "json",
    "application/jsonlines": "jsonlines",
    "application/x-jsonlines": "jsonlines",
    "application/jsonl": "jsonlines",
}


@dataclass(frozen=True)
class Processing:
    """What is done to records on their way in and out; `form` is csv, json or jsonlines, None where nothing is done."""

    form: str | None
    input_filter: jsonpath.Path
    output_filter: jsonpath.Path
    join: bool

    @classmethod
    def of(
        cls, document: dict[str, str], content_type: str | None, accept: str | None, split_type: str
    ) -> "Processing":
        """Read the DataProcessing member. Raises ValueError where it cannot be done with these formats."""
        input_filter = jsonpath.parse(document.get("InputFilter", "$"))
        output_filter = jsonpath.parse(document.get("OutputFilter", "$"))
        join = document.get("JoinSource", "None") == "Input"
        if not (input_filter.steps or output_filter.steps or join):
            return cls(None, input_filter, output_filter, join)
        form = _form(content_type or "")
        if form is None:
            raise ValueError(
                f"DataProcessing needs ContentType text/csv, application/json or application/jsonlines, not {content_type}"
            )
        if (output_filter.steps or join) and accept and _form(accept) != form:
            raise ValueError(
                f"DataProcessing needs the same format in and out: ContentType is {content_type}, Accept {accept}"
            )
        if form != "json" and split_type != "Line":
            raise ValueError(f"DataProcessing of {content_type} needs SplitType Line, not {split_type}")
        return cls(form, input_filter, output_filter, join)

    @property
    def filters(self) -> bool:
        """Whether records change on their way in."""
        return bool(self.input_filter.steps)

    @property
    def rewrites(self) -> bool:
        """Whether responses change on their way out."""
        return self.join or bool(self.output_filter.steps)

    def filtered(self, content: bytes) -> bytes:
        """Return a record as the model is to see it, with a line end where it is one of several."""
        assert self.form is not None
        return _write(self.form, self.input_filter(_read(self.form, content)))

    def rewritten(self, contents: list[bytes], response: bytes) -> bytes:
        """Return a response, joined with the records it answers and filtered. Raises ValueError where they do not match."""
        assert self.form is not None
        answers = [response] if self.form == "json" else [line for line in response.splitlines() if line.strip()]
        if self.join and len(answers) != len(contents):
            raise ValueError(
                f"The model gave {len(answers)} predictions for {len(contents)} records: they cannot be joined"
            )
        outputs = [_read(self.form, answer) for answer in answers]
        if self.join:
            join = _JOINS[self.form]
            outputs = [
                join(_read(self.form, content), output) for content, output in zip(contents, outputs, strict=True)
            ]
        return b"".join(_write(self.form, self.output_filter(output)) for output in outputs)


def _form(content_type: str) -> str | None:
    return _FORMATS.get(media_type(content_type)[0])


def _read(form: str, content: bytes) -> Any:
    if form != "csv":
        return json.loads(content)
    return next(csv.reader([content.decode()]), [])


def _write(form: str, value: Any) -> bytes:
    if form == "json":
        return json.dumps(value).encode()
    if form == "jsonlines":
        return json.dumps(value).encode() + b"\n"
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(value if isinstance(value, list) else [value])
    return out.getvalue().encode()


def _join_json(record: Any, output: Any) -> Any:
    if isinstance(record, dict):
        return {**record, "SageMakerOutput": output}
    return {"SageMakerInput": record, "SageMakerOutput": output}


_JOINS: dict[str, Callable[[Any, Any], Any]] = {
    "csv": lambda record, output: record + output,
    "json": _join_json,
    "jsonlines": _join_json,
}
