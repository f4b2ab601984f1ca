"""Settings that hold for every test: strict arithmetic, random examples, no display."""

from __future__ import annotations

import gc
import os
import pkgutil
import secrets
from collections.abc import Iterator
from importlib import import_module

import numpy as np
import pytest
import sympy
from hypothesis import HealthCheck, settings
from sympy.core.cache import cacheit

import assocmem
from theory.record import Claim

os.environ["MPLBACKEND"] = "Agg"  # before anything imports matplotlib

collect_ignore = ["mutation.py"]  # a program that needs the extra `mutation`

# All of the library is loaded before a test patches any of it: a room that loads on first use would
# keep the patched function for good.
for _module in pkgutil.walk_packages(assocmem.__path__, "assocmem."):
    import_module(_module.name)

# A derivation with an error planted repeats all steps before it. What SymPy makes of an expression
# depends on nothing else, so it is remembered, as SymPy itself does for many of its functions.
for _name in ("integrate", "limit", "simplify"):
    setattr(sympy, _name, cacheit(getattr(sympy, _name)))

# Random, never derandomised: a statistical test must not live on a lucky seed. A failure prints
# what reproduces it. A slow machine is no defect, so neither time limit applies.
settings.register_profile(
    "assocmem",
    derandomize=False,
    print_blob=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("assocmem")


def pytest_collection_finish() -> None:
    """What is loaded by now lives to the end: the collector of cycles need not go through it again.

    SymPy makes many objects, and each of its rounds would cost in proportion to all there are. So
    there are fewer rounds, too, than one for every 700 objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def strict_arithmetic() -> Iterator[None]:
    """0/0, inf - inf and 1/0 raise, instead of passing a NaN or an infinity on."""
    with np.errstate(invalid="raise", divide="raise"):
        yield


@pytest.fixture
def seed() -> int:
    """Fresh for every test: a check holds, and sees what it must, at any seed."""
    return secrets.randbits(32)  # shown by a failing assertion


@pytest.fixture
def single_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every claim is one proposition, so that the rows of a planted check need name no part."""
    monkeypatch.setattr(Claim, "parts", ())
