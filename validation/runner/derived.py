"""The steps of the derivations for a page, kept beside it until a source file changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import assocmem
import theory
from assocmem._files import write_json
from theory.derivation import DerivationError, Step, derive, has_derivation
from theory.record import Claim
from validation.runner.pool import shared


def derived(
    claims: Iterable[Claim],
    cache: Path,
    *,
    workers: int = 1,
    under_way: Callable[[Sequence[Claim]], Iterable[Claim]] = iter,
) -> dict[str, Sequence[Step] | str]:
    """The steps of each claim that has a derivation, or a sentence that says which one fails.

    What was derived from the same source files is read from ``cache``; the rest runs now, shared
    among processes, while ``under_way`` shows which. A derivation that fails is never kept.
    """
    source = digest()
    kept = _read(cache, source)
    chosen = [claim for claim in claims if has_derivation(claim)]
    missing = [claim for claim in chosen if claim.id not in kept]
    results = shared(_steps, missing, workers)
    found: dict[str, Sequence[Step] | str] = {}
    for claim in under_way(missing):
        result = next(results)
        if isinstance(result, str):
            found[claim.id] = result
        else:
            kept[claim.id] = result
    write_json(cache, {"source": source, "steps": kept})
    return {
        claim.id: found.get(claim.id) or [Step(**step) for step in kept[claim.id]]
        for claim in chosen
    }


def _steps(claim: Claim) -> list[dict[str, Any]] | str:
    """The steps as JSON can hold them, or why the derivation fails."""
    try:
        return [asdict(step) for step in derive(claim).steps]
    except DerivationError as error:
        return str(error)


def digest() -> str:
    """A digest of all that a derivation depends on: the modules and the version of SymPy.

    What has gone when it is read is no module: the lock of an editor, a file that git replaces.
    """
    content = hashlib.sha256(version("sympy").encode())
    for package in (assocmem, theory):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            with suppress(FileNotFoundError):
                source = path.read_bytes()
                content.update(str(path.relative_to(folder)).encode() + b"\0" + source)
    return content.hexdigest()


def _read(cache: Path, source: str) -> dict[str, list[dict[str, Any]]]:
    try:
        content = json.loads(cache.read_text(encoding="utf-8"))
        return dict(content["steps"]) if content["source"] == source else {}
    except (OSError, ValueError, KeyError, TypeError):  # none, or not ours
        return {}
