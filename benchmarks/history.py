"""What the benchmarks found: a JSON file a run, and a page that draws them as two tables.

    python -m benchmarks.history       # write the tables into docs/benchmarks.md

A run says on which machine, with which versions and on how many threads it was measured: ratios of
one run compare, seconds of two machines do not.
"""

from __future__ import annotations

import json
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

import assocmem as am

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "benchmarks" / "history"
PAGE = ROOT / "docs" / "benchmarks.md"
PACKAGES = ("numpy", "scipy", "torch", "jax")
COLUMNS = {  # of the ratios, and their headings
    "assocmem, before": "before",
    "PyTorch, memory kept": "plain PyTorch",
    "our algebra, PyTorch": "our algebra",
    "our algebra, compiled": "compiled",
    "our algebra, JAX": "JAX",
}


def keep(benchmark: str, found: dict[str, Any], *, threads: int) -> Path:
    """Write a run to a file of its own, and return its name."""
    run = {
        "benchmark": benchmark,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "machine": {
            "processor": _processor(),
            "python": platform.python_version(),
            "kernels": kernels(),
        },
        "versions": {"assocmem": am.__version__, **_versions()},
        "threads": threads,
        "found": found,
    }
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{run['date'].replace(':', '')}-{benchmark}.json"
    path.write_text(json.dumps(run, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


def _commit() -> str:
    """The commit that was measured, with a plus if files differ from it."""
    asked = ["git", "describe", "--always", "--dirty=+"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _processor() -> str:
    """The name of the processor, and how many of them there are."""
    from os import cpu_count

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {cpu_count()} cores"


def kernels() -> list[str]:
    """The kernels that NumPy's BLAS has chosen; OPENBLAS_CORETYPE overrides its choice."""
    return sorted({info.get("architecture", info["internal_api"]) for info in threadpool_info()})


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def runs() -> list[dict[str, Any]]:
    """All runs that were kept, the oldest first."""
    return [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]


def ratios() -> str:
    """One line for each case of each run, in Markdown."""
    lines = []
    for run in runs():
        start = [run["date"][:10], run["commit"], run["machine"]["processor"]]
        for case, found in run["found"].items():
            if isinstance(found, dict):
                times = found.get("ratios", {})
                cells = [f"{times[k]['wall']:.1f}" if k in times else "" for k in COLUMNS]
                share = f"{found['share']:.0%}" if "share" in found else ""
            else:
                cells, share = [f"{found:.0f}", *[""] * (len(COLUMNS) - 1)], ""
            lines.append([*start, case, *cells, share])
    return _table(
        ["date", "commit", "processor", "case", *COLUMNS.values(), "share of rate"], lines
    )


def phases() -> str:
    """The newest splits of a step by `benchmarks.phases_before`, a table each size, in Markdown."""
    from benchmarks.phases_before import PHASES

    splits: dict[str, dict[str, Any]] = {}  # of each size, before and today
    for run in runs():
        if run["benchmark"] == "phases_before":
            for case, found in run["found"].items():
                version, size = case.removeprefix("phases ").split(", ", 1)
                splits.setdefault(size, {})[version] = found["phases"]
    tables = []
    for size, split in splits.items():
        versions = [version for version in ("before", "today") if version in split]
        rows = [
            [phase, *(_entry(split[version][phase]) for version in versions)]
            for phase in (*PHASES, "total")
        ]
        tables.append(f"**{size}**\n\n{_table(['phase', *versions], rows)}")
    return "\n\n".join(tables)


def _entry(phase: dict[str, float]) -> str:
    """Milliseconds, operations, bytes and the share of the rate of a large product."""
    return (
        f"{phase['seconds'] * 1e3:.1f} ms, {phase['operations'] / 1e9:.2f} GFLOP, "
        f"{phase['bytes'] / 1e6:.0f} MB, {phase['share']:.0%}"
    )


def _table(heads: list[str], lines: list[list[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


TABLES = {"ratios": ratios, "phases": phases}


def mark(name: str) -> tuple[str, str]:
    """Between what a table stands on the page."""
    return f"<!-- {name} -->", f"<!-- end of {name} -->"


def write() -> None:
    """Put each table between its two marks of the page."""
    text = PAGE.read_text(encoding="utf-8")
    for name, drawn in TABLES.items():
        start, end = mark(name)
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n\n{drawn()}\n\n{end}{rest.partition(end)[2]}"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
