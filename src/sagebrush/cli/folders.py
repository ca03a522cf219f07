"""What a data directory tells by its files alone, without the platform and without loading it."""

from pathlib import Path


def unfinished_tasks(data: Path) -> list[str]:
    """Return the ids of the tasks that have not ended."""
    tasks = (spec.parent for spec in (data / "tasks").glob("*/task.json"))
    return sorted(task.name for task in tasks if not (task / "exit.json").exists())
