"""What the wheel holds, what an import loads, which way imports point, what citations resolve."""

from __future__ import annotations

import ast
import email
import graphlib
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import bibtexparser
import numpy as np
import pytest

import assocmem

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("assocmem", "theory", "validation")

# The rooms of the library. Each may import those above it only.
ROOMS = {
    "_checks": "arguments",
    "_files": "atomic files",
    "_statistics": "softmax, strict maximum, rates",
    "vectors": "near-orthogonal families and laws of their overlaps",
    "memory": "AssociativeMemory",
    "capacity": "laws of recall, rules that write a memory",
    "tasks": "what a loss is an expectation over",
    "model": "embeddings, tables, one forward and backward pass",
    "gradients": "closed forms of steps",
    "probes": "recall, attention, accuracy",
    "topdown": "the three steps",
    "width": "finite width",
    "training": "loop, run, presets, optimisers",
    "heads": "other people's transformers",
    "sweeps": "grids of runs",
    "plots": "pictures",
    "testing": "strategies, assertions, comparisons with a verdict",
    "__main__": "the command",
}
ORDER = list(ROOMS)
MOST_ENTRIES = 18  # of assocmem/, beside __init__.py and py.typed


def run_python(*arguments: str, folder: Path = ROOT) -> str:
    """Standard output of a fresh interpreter in the project's root, or in another folder."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- the wheel ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Built from a copy, so that no earlier build leaks in, by what pyproject.toml names."""
    folder = tmp_path_factory.mktemp("wheel")
    generated = shutil.ignore_patterns(".*", "build", "dist", "out", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, folder / "source", ignore=generated)
    system = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]
    build = f"import sys, {system['build-backend']} as it; it.build_wheel(sys.argv[1])"
    run_python("-c", build, str(folder), folder=folder / "source")
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_assocmem_only(wheel: zipfile.ZipFile) -> None:
    top_level = {name.partition("/")[0] for name in wheel.namelist()}
    assert top_level == {"assocmem", f"assocmem-{assocmem.__version__}.dist-info"}


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    source = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "assocmem").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert "assocmem/py.typed" in source
    assert source == {name for name in wheel.namelist() if name.startswith("assocmem/")}


def test_the_wheel_states_version_and_needs(wheel: zipfile.ZipFile) -> None:
    (path,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(wheel.read(path))
    needs = metadata.get_all("Requires-Dist", [])
    core = {re.split(r"[^\w-]", need)[0] for need in needs if "extra ==" not in need}
    assert metadata["Version"] == assocmem.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert core == {"numpy", "scipy", "threadpoolctl"}


# --- what an import loads ----------------------------------------------------------------------


@cache
def third_party(statement: str) -> set[str]:
    """Top-level modules outside the standard library that a fresh interpreter has after it."""
    program = f"import sys; {statement}; print(*(name.partition('.')[0] for name in sys.modules))"
    return set(run_python("-c", program).split()) - set(sys.stdlib_module_names)


def test_import_loads_numpy_only() -> None:
    numpy = third_party("import numpy.random")  # a part that NumPy itself loads on first use
    assert third_party("import assocmem") - numpy == {"assocmem"}


def test_the_import_check_sees_other_libraries() -> None:
    assert "scipy" in third_party("import scipy") - third_party("import numpy.random")


def test_import_raises_no_warning() -> None:
    run_python("-W", "error", "-c", "import assocmem")


# --- which way imports point -------------------------------------------------------------------


LOADERS = ("import_module", "__import__", "required")  # functions that import by a string
UNKNOWN = "?"


def imported(source: str, package: str) -> set[str]:
    """Absolute dotted names that a module of ``package`` imports, inside functions too.

    Imports by a string count, an f-string by what it begins with; where the string is computed, the
    name is `UNKNOWN`.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{absolute(node, package)}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and called(node) in LOADERS:
            names.add(loaded_by(node, package))
    return names


def called(call: ast.Call) -> str:
    """The name of a function that is called, without that of its module."""
    function = call.func
    return getattr(function, "attr", "") or getattr(function, "id", "")


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The module that names are imported from."""
    parents = package.split(".")[: 1 - node.level or None] if node.level else []
    return ".".join(parents + ([node.module] if node.module else []))


def loaded_by(call: ast.Call, package: str) -> str:
    """The module that a call of a loader imports, as far as the source says."""
    first = call.args[0] if call.args else None
    if isinstance(first, ast.JoinedStr):
        first = first.values[0]
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return UNKNOWN
    module = first.value.lstrip(".")
    relative = ast.ImportFrom(module or None, [], len(first.value) - len(module))
    return absolute(relative, package).rstrip(".")


def wrong_way(module: str, source: str) -> set[str]:
    """Imports of ``assocmem.<module>`` that the order of the modules forbids."""
    allowed = ORDER[: ORDER.index(module) + 1]
    wrong = set()
    for name in imported(source, "assocmem"):
        top, _, rest = name.partition(".")
        if top in ("theory", "validation", "tests"):
            wrong.add(name)
        if name == UNKNOWN and module != "_checks":  # whose `required` loads what it is told
            wrong.add(name)
        face = module == "__main__" and not rest  # the command uses what everybody imports
        if top == "assocmem" and not face and rest.partition(".")[0] not in allowed:
            wrong.add(name)
    return wrong


LIBRARY = {
    path.relative_to(ROOT / "assocmem").with_suffix("").as_posix(): path
    for path in sorted((ROOT / "assocmem").rglob("*.py"))
    if path != ROOT / "assocmem" / "__init__.py"
}


@pytest.mark.parametrize("name", LIBRARY)
def test_imports_point_one_way(name: str) -> None:
    room = name.partition("/")[0]  # a package is one room
    assert room in ORDER, f"give assocmem/{name}.py its place in ORDER"
    assert wrong_way(room, LIBRARY[name].read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    "statement",
    [
        "from .topdown import top_down",
        "from . import topdown",
        "from assocmem.topdown import top_down",
        "from assocmem import topdown",
        "import assocmem.topdown",
        "import assocmem",
        "from assocmem import InductionTask",
        "from theory import gradients",
        "import validation.reference",
        "def late():\n    from .topdown import top_down",
        "import_module('assocmem.topdown').top_down()",
        "def late():\n    importlib.import_module('.topdown', 'assocmem')",
        "def late():\n    return __import__(f'assocmem.{room}')",
        "importlib.import_module(name)",
    ],
)
def test_the_order_check_sees_a_wrong_import(statement: str) -> None:
    assert len(wrong_way("memory", statement)) == 1


def test_the_order_check_lets_right_imports_pass() -> None:
    right = "import numpy as np\nfrom .vectors import gram\nfrom assocmem.memory import Memory"
    assert wrong_way("tasks", right) == set()


def modules(package: str) -> dict[str, Path]:
    """The modules of a package by dotted name, ``__init__`` under that of its package."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def graph(sources: dict[str, str]) -> dict[str, set[str]]:
    """Which modules each module imports, packages left out: they import what they list."""
    packages = {name.rpartition(".")[0] for name in sources}
    edges: dict[str, set[str]] = {}
    for name, source in sources.items():
        if name in packages:
            continue
        names = imported(source, name.rpartition(".")[0])
        whole = names | {each.rpartition(".")[0] for each in names}
        edges[name] = {each for each in whole if each in sources and each not in packages | {name}}
    return edges


@pytest.mark.parametrize("package", PACKAGES)
def test_no_two_modules_import_each_other(package: str) -> None:
    sources = {name: path.read_text(encoding="utf-8") for name, path in modules(package).items()}
    edges = graph(sources)
    assert sum(map(len, edges.values())) > 10
    graphlib.TopologicalSorter(edges).prepare()  # a circle raises, and is named
    back, (there, *_) = next((name, sorted(ends)) for name, ends in edges.items() if ends)
    edges[there] |= {back}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(edges).prepare()


def test_a_newcomer_sees_few_rooms() -> None:
    hidden = {"__init__.py", "py.typed", "__pycache__"}
    entries = {path.name for path in (ROOT / "assocmem").iterdir()} - hidden
    assert {entry.removesuffix(".py") for entry in entries} == set(ROOMS)
    assert len(entries) <= MOST_ENTRIES


def test_the_reference_shares_no_code() -> None:
    files = list((ROOT / "validation" / "reference").glob("*.py"))
    loaded = {
        name.partition(".")[0] if not name.startswith("validation.reference") else "reference"
        for path in files
        for name in imported(path.read_text(encoding="utf-8"), "validation.reference")
    }
    assert "autograd" in loaded
    assert loaded.isdisjoint(PACKAGES)


# --- short enough to read ------------------------------------------------------------------------

MOST_LINES = {"function": 70, "file": 450}  # of code: docstrings are not counted


def is_long(node: ast.AST, last: int, most: int) -> bool:
    """Whether lines up to the last one are more, docstrings of all defined there left out."""
    length = last - getattr(node, "lineno", 1) + 1
    if length <= most:
        return False
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = (
        each.body[0]
        for each in ast.walk(node)
        if isinstance(each, documented) and ast.get_docstring(each) is not None
    )
    return length - sum(text.end_lineno - text.lineno + 1 for text in docstrings) > most


def too_long(source: str) -> set[str]:
    """The functions of a module, and ``file``, that are longer than a reader holds in mind."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    found = {
        node.name
        for node in functions
        if is_long(node, node.end_lineno or 0, MOST_LINES["function"])
    }
    whole = is_long(tree, len(source.splitlines()), MOST_LINES["file"])
    return found | ({"file"} if whole else set())


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_and_files_are_short(package: str) -> None:
    found = {
        name: too_long(path.read_text(encoding="utf-8")) for name, path in modules(package).items()
    }
    assert {name: long for name, long in found.items() if long} == {}


@pytest.mark.parametrize(("lines", "seen"), [(69, set()), (70, {"f"}), (450, {"f", "file"})])
def test_what_is_too_long_is_seen(lines: int, seen: set[str]) -> None:
    source = 'def f():\n    """Say.\n\n    More.\n    """\n' + "    pass\n" * lines
    assert too_long(source) == seen


# --- one name, one meaning ---------------------------------------------------------------------


def classes(sources: dict[str, str]) -> dict[str, list[str]]:
    """Where each public class is defined."""
    found: dict[str, list[str]] = {}
    for name, source in sources.items():
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(name)
    return found


def test_no_public_class_name_twice() -> None:
    sources = {
        name: path.read_text(encoding="utf-8")
        for package in PACKAGES
        for name, path in modules(package).items()
    }
    found = classes(sources)
    assert len(found) > 50
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_a_second_class_of_a_name_is_seen() -> None:
    twice = classes({"a": "class Step: ...", "b": "class Step: ...\nclass _Own: ..."})
    assert twice == {"Step": ["a", "b"]}


# `save` and `load` of a model in `heads`, over those of files; `main` of two commands.
OVERLOADED = {"load", "main", "save"}


def definitions(sources: dict[str, str]) -> dict[str, list[str]]:
    """Where each name is defined at the top of a module: functions, classes, aliases of types."""
    found: dict[str, list[str]] = {}
    for module, source in sources.items():
        names = set()
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                named = {each.id for each in targets if isinstance(each, ast.Name)}
                names |= {name for name in named if name[0].isupper() and not name.isupper()}
        for name in sorted(names):
            if not name.startswith("_"):
                found.setdefault(name, []).append(module)
    return found


def test_one_name_means_one_thing_in_the_library() -> None:
    """No function, class or alias of a type has the name of another, in whatever module."""
    sources = {name: path.read_text(encoding="utf-8") for name, path in modules("assocmem").items()}
    found = definitions(sources)
    twice = {name: places for name, places in found.items() if len(places) > 1}
    assert len(found) > 300
    assert twice.keys() <= OVERLOADED, twice


def test_a_second_meaning_of_a_name_is_seen() -> None:
    found = definitions(
        {
            "a": "Rate: TypeAlias = float\nKind = Literal['x']\ndef f(): ...",
            "b": "class Rate: ...\nKind = TypeVar('Kind')\ndef f(): ...\nMOST = 1\n_Own = int",
            "c": "MOST = 2\n_Own = int",
        }
    )
    assert found == {"Rate": ["a", "b"], "Kind": ["a", "b"], "f": ["a", "b"]}


SHADOWED = """
import importlib, pkgutil, types
import assocmem

for module in pkgutil.walk_packages(assocmem.__path__, "assocmem."):
    importlib.import_module(module.name)
for module in [assocmem, *(m for n, m in sorted(sys.modules.items()) if n.startswith("assocmem."))]:
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        print(module.__name__, name, isinstance(value, types.ModuleType))
"""


def test_no_module_bears_the_name_of_a_public_function() -> None:
    """All modules are loaded first: one of that name would then stand where the function should."""
    listed = [line.split() for line in run_python("-c", "import sys" + SHADOWED).splitlines()]
    public = {(module, name): is_module == "True" for module, name, is_module in listed}
    assert not public["assocmem", "top_down"]
    assert len(public) > 100
    paths = modules("assocmem")
    defined: dict[Path, set[str]] = {}  # by folder
    for source in paths.values():
        body = ast.parse(source.read_text(encoding="utf-8")).body
        names = {each.name for each in body if isinstance(each, ast.FunctionDef | ast.ClassDef)}
        defined.setdefault(source.parent, set()).update(names)
    for (module, name), is_module in public.items():
        path = paths[module]
        is_file = f"{module}.{name}" in paths
        assert is_module == is_file, f"{module}.{name}"
        in_folder = is_file and path.name == "__init__.py" and name in defined[path.parent]
        assert not in_folder, f"{module}.{name}"


KINDS = """
import assocmem
for name in assocmem.__all__:
    value = getattr(assocmem, name)
    print(name, type(value).__name__, value.__module__ if callable(value) else value.__name__)
"""
LOAD_ALL = """
import importlib, pkgutil
import assocmem
for module in pkgutil.walk_packages(assocmem.__path__, "assocmem."):
    importlib.import_module(module.name)
"""


@cache
def kinds(before: str) -> dict[str, tuple[str, str]]:
    """What each name of the top level is, and where it comes from, after a program has run."""
    lines = run_python("-c", before + KINDS).splitlines()
    return {name: (kind, home) for name, kind, home in map(str.split, lines)}


def test_a_public_name_is_of_one_kind_whatever_was_loaded_before() -> None:
    """The package `capacity` holds a function of that name: `am.capacity` is always the package."""
    alone, loaded = kinds(""), kinds(LOAD_ALL)
    assert alone == loaded
    for name, (kind, home) in loaded.items():
        is_room = (ROOT / "assocmem" / name).exists() or (ROOT / "assocmem" / f"{name}.py").exists()
        assert (kind == "module") == is_room, name
        assert home == f"assocmem.{name}" if is_room else home.startswith("assocmem."), name
    assert loaded["capacity"] == ("module", "assocmem.capacity")
    assert loaded["top_down"] == ("function", "assocmem.topdown.steps")


def test_a_name_that_changes_its_kind_is_seen() -> None:
    changed = kinds("import assocmem\nassocmem.capacity = assocmem.capacity.capacity")
    assert changed != kinds("")


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils", "util", "helpers", "common", "core", "misc"}
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert modules
    assert [path for path in modules if path.stem.strip("_") in drawers] == []


# --- citations ---------------------------------------------------------------------------------

CITATION = re.compile(r"\[(?P<key>[A-Z][A-Za-z]*(?:18|19|20)\d\d[a-z]?)(?:,[^\[\]]*)?\]")

YEAR = re.compile(r"(?:18|19|20)\d\d[a-z]?[],\"']")  # ends a key, or the string that it ends


def citations(source: str) -> set[str]:
    """Keys cited as [Key] or [Key, Theorem 1] in the strings of a module, docstrings included."""
    if not YEAR.search(source):
        return set()
    strings = (
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {match["key"] for string in strings for match in CITATION.finditer(string)}


@pytest.fixture(scope="module")
def references() -> set[str]:
    library = bibtexparser.parse_file(str(ROOT / "docs" / "refs.bib"))
    assert library.failed_blocks == []  # a duplicate key is a failed block
    return set(library.entries_dict)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_citation_resolves(package: str, references: set[str]) -> None:
    for path in (ROOT / package).rglob("*.py"):
        unknown = citations(path.read_text(encoding="utf-8")) - references
        assert not unknown, f"{path.relative_to(ROOT)} cites {unknown}, not in docs/refs.bib"


def test_the_citation_check_sees_an_unknown_key(references: set[str]) -> None:
    source = 'def f():\n    """Source: [BCBJB2023, Lemma 2] and [Nobody1999]."""'
    assert citations(source) == {"BCBJB2023", "Nobody1999"}
    assert citations(source) - references == {"Nobody1999"}


# --- the tests themselves ----------------------------------------------------------------------


def test_warnings_are_errors() -> None:
    with pytest.raises(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)


@pytest.mark.parametrize("numerator", [0.0, 1.0])
def test_division_by_zero_raises(numerator: float) -> None:
    with pytest.raises(FloatingPointError):
        np.divide(numerator, 0.0)
