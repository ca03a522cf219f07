"""Media types as HTTP headers carry them."""


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """Split `text/csv; label_size=1` into its lower-case type and its parameters."""
    kind, *parameters = header.split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return kind.strip().lower(), {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def acceptable(header: str | None, default: str) -> list[str]:
    """Return the media types of an Accept header in the client's order; `default` where anything will do."""
    wanted = [media_type(part)[0] for part in (header or "").split(",")]
    return [default if kind in ("", "*/*") else kind for kind in wanted]
