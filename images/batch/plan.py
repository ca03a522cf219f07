"""How a transform job is done: the request, then what the container says of itself, then the defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .processing import Processing
from .split import Piece

_MB = 1024 * 1024


@dataclass(frozen=True)
class Plan:
    """One job's settings. `limit`: bytes of a payload, None for any; `single`: one record in a request."""

    split_type: str
    gzip: bool
    single: bool
    limit: int | None
    concurrency: int
    assemble_lines: bool
    headers: dict[str, str]
    processing: Processing

    @classmethod
    def of(cls, document: Mapping[str, Any], parameters: Mapping[str, Any]) -> "Plan":
        """Put a plan together. Raises ValueError where filters and formats do not go together."""
        source, target = document.get("TransformInput", {}), document.get("TransformOutput", {})
        content_type, accept = source.get("ContentType"), target.get("Accept")
        split_type = source.get("SplitType", "None")
        headers = {"Content-Type": content_type, "Accept": accept}
        strategy = document.get("BatchStrategy") or parameters.get("BatchStrategy") or "MultiRecord"
        size = document.get("MaxPayloadInMB", parameters.get("MaxPayloadInMB", 6))
        at_a_time = document.get("MaxConcurrentTransforms") or parameters.get("MaxConcurrentTransforms") or 1
        return cls(
            split_type=split_type,
            gzip=source.get("CompressionType") == "Gzip",
            single=str(strategy).replace("_", "").lower() == "singlerecord",
            limit=int(size) * _MB or None,
            concurrency=max(int(at_a_time), 1),
            assemble_lines=target.get("AssembleWith") == "Line",
            headers={name: value for name, value in headers.items() if value},
            processing=Processing.of(document.get("DataProcessing", {}), content_type, accept, split_type),
        )

    @property
    def summary(self) -> str:
        """The line with which AWS's transform jobs begin their log."""
        size = 0 if self.limit is None else self.limit // _MB
        strategy = "SINGLE_RECORD" if self.single else "MULTI_RECORD"
        return f"MaxConcurrentTransforms={self.concurrency}, MaxPayloadInMB={size}, BatchStrategy={strategy}"

    def payload(self, batch: list[Piece]) -> bytes:
        """Return the body of a request. A single record goes without its frame, several go with theirs."""
        if self.processing.filters:
            return b"".join(self.processing.filtered(piece.content) for piece in batch)
        if self.single and self.split_type in ("RecordIO", "TFRecord"):
            return batch[0].content
        return b"".join(piece.raw for piece in batch)

    def assembled(self, contents: list[bytes], response: bytes) -> bytes:
        """Return what is written for a response: joined, filtered, and ended by a newline with AssembleWith Line."""
        if self.processing.rewrites:
            response = self.processing.rewritten(contents, response)
        if self.assemble_lines and response and not response.endswith(b"\n"):
            return response + b"\n"
        return response
