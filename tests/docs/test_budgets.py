"""The house rules, held by a machine: sizes, imports, and what may be named where."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

REPO = Path(__file__).resolve().parents[2]
FOLDERS = ("src", "images", "tests", "benchmarks", "examples")
LINES, LINES_WITH_A_REASON, FUNCTION = 300, 500, 40

SQL = re.compile(
    r"\s*(SELECT\s.*\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|(CREATE|DROP|ALTER)\s+(TABLE|INDEX)"
    r"|PRAGMA|BEGIN\s+IMMEDIATE)\b",
    re.DOTALL,
)
LEARNERS = {
    "numpy", "pandas", "scipy", "sklearn", "xgboost", "lightgbm", "torch", "tensorflow", "pyarrow", "joblib", "boto3",
    "sagemaker",
}  # fmt: skip
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def files(*folders: str) -> tuple[Path, ...]:
    found = (path for folder in folders for path in sorted((REPO / folder).rglob("*.py")))
    return tuple(path for path in found if ".venv" not in path.parts and "__pycache__" not in path.parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


@cache
def comments(path: Path) -> dict[int, str]:
    """Return a file's comments by line, without the codes that quiet a checker."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)
    plain = re.compile(r"#|\b(noqa|type: ignore|fmt: \w+)\b(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*|\[[\w, -]+\])?")
    found = ((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT)
    return {line: plain.sub("", text).strip() for line, text in found}


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(REPO)}:{getattr(node, 'lineno', 1)}"


def nodes(*folders: str) -> Iterator[tuple[Path, ast.AST]]:
    for path in files(*folders):
        for node in ast.walk(tree(path)):
            yield path, node


def imported(node: ast.AST) -> list[str]:
    """Return the modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def ours(module: str) -> bool:
    return module.partition(".")[0] in ("sagebrush", "_kit")


def test_there_is_something_to_check() -> None:
    assert len(files("src")) > 50
    assert len(files(*FOLDERS)) > len(files("src")) + 20


def test_files_are_short() -> None:
    """A file has at most 300 lines, or 500 and a comment near its top: `# over 300 lines: because …`."""
    long = []
    for path in files(*FOLDERS):
        length = len(path.read_text("utf-8").splitlines())
        reason = any(re.match(r"over 300 lines: \w+", text) for line, text in comments(path).items() if line <= 20)
        if length > (LINES_WITH_A_REASON if reason else LINES):
            long.append(f"{path.relative_to(REPO)}: {length} lines")
    assert not long, long


@pytest.mark.parametrize("folder", ["src", "images", "tests"])
def test_functions_are_short(folder: str) -> None:
    """95 of 100 functions have at most 40 lines."""
    sizes = sorted(
        ((node.end_lineno or node.lineno) - node.lineno + 1, place(path, node))
        for path, node in nodes(folder)
        if isinstance(node, FUNCTIONS)
    )
    assert sizes[int(len(sizes) * 0.95)][0] <= FUNCTION, sizes[-20:]


def test_own_imports_are_at_the_top() -> None:
    """Nothing of ours is imported inside a function."""
    inside = [
        place(path, node)
        for path, function in nodes("src", "images")
        if isinstance(function, FUNCTIONS)
        for node in ast.walk(function)
        if any(ours(module) for module in imported(node))
    ]
    assert not inside, inside


def test_no_import_goes_in_a_circle() -> None:
    graph = grimp.build_graph("sagebrush", cache_dir=None)
    modules = {module: graph.find_modules_directly_imported_by(module) - {module} for module in graph.modules}
    try:
        TopologicalSorter(modules).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_import_contracts_hold() -> None:
    """Floors and rooms import downwards only, as pyproject.toml lays down."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_broad_excepts_say_why() -> None:
    """Who catches everything and does not raise it again gives the reason beside it."""
    silent = []
    for path, node in nodes("src", "images"):
        if not isinstance(node, ast.ExceptHandler) or not _broad(node.type):
            continue
        again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
        beside = [comments(path).get(line, "") for line in range(node.lineno - 1, node.body[0].lineno + 1)]
        if not again and max(len(text.split()) for text in beside) < 4:
            silent.append(place(path, node))
    assert not silent, silent


def _broad(caught: ast.expr | None) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        name is None or (isinstance(name, ast.Name) and name.id in ("Exception", "BaseException")) for name in names
    )


def test_only_the_state_room_speaks_sql() -> None:
    state = REPO / "src/sagebrush/kernel/state"
    spoken = [
        place(path, node)
        for path, node in nodes("src", "images")
        if state not in path.parents
        and (
            "sqlite3" in imported(node)
            or (isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value))
        )
    ]
    assert not spoken, spoken


def test_only_the_rooms_around_the_wire_name_botocore() -> None:
    """botocore's models are read by wire, gateway and grammar, and explained by the command line: by no service."""
    rooms = [REPO / "src/sagebrush" / room for room in ("kernel/wire", "kernel/gateway", "kernel/grammar", "cli")]
    named = [
        place(path, node)
        for path, node in nodes("src", "images")
        if not any(room in path.parents for room in rooms)
        and any(module.partition(".")[0] in ("botocore", "boto3") for module in imported(node))
    ]
    assert not named, named


def test_images_import_nothing_of_ours_but_the_kit() -> None:
    named = [
        place(path, node)
        for path, node in nodes("images")
        for module in imported(node)
        if module.partition(".")[0] == "sagebrush"
    ]
    assert not named, named


def test_the_kit_needs_only_the_standard_library() -> None:
    """Only `_kit.arrays` names NumPy, for the images that have it; no other part of the kit names `_kit.arrays`."""
    arrays = REPO / "images/_kit/arrays.py"
    named = [
        f"{place(path, node)} {module}"
        for path, node in nodes("images/_kit")
        if path != arrays
        for module in imported(node)
        if module == "_kit.arrays" or module.partition(".")[0] not in {"_kit", *sys.stdlib_module_names}
    ]
    assert not named, named


def test_the_server_loads_no_library_that_learns() -> None:
    code = "import sys, sagebrush.main; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "sagebrush" in loaded
    assert not loaded & LEARNERS


def test_no_test_sleeps() -> None:
    """Tests wait for what they expect, with `until` of the conftest, never for a time."""
    asleep = [
        place(path, node)
        for path, node in nodes("tests")
        if (isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep")
        or (isinstance(node, ast.ImportFrom) and node.module == "time" and any(a.name == "sleep" for a in node.names))
    ]
    assert not asleep, asleep
