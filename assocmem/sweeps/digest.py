"""A text that says which function a sweep ran: equal for the same one, in any run of a Python.

It is of the compiled code, not of the source: comments, docstrings and lines do not count, a lambda
has one too, and it is what runs even where the source was edited meanwhile.
"""

from __future__ import annotations

import dis
import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from itertools import zip_longest
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

_PLAIN = {type(None), bool, int, float, complex, str, bytes, type(...)}
# What a class records of its own source: the line, and the attributes that its methods set.
_ABOUT = {"__firstlineno__", "__static_attributes__"}


def digest_of(function: Callable[..., Any]) -> str:
    """Digest of code, defaults, enclosed variables and bound arguments; not of what it calls."""
    text = repr(_function(function, ()))
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]


def _function(function: Any, outer: tuple[Any, ...]) -> Any:
    """`outer` are the functions that this one is enclosed in, which may be itself."""
    if any(function is one for one in outer):
        return "recursive"
    inner = (*outer, function)
    if isinstance(function, partial):
        bound = [function.args, dict(sorted(function.keywords.items()))]
        return ["partial", _function(function.func, inner), _value(bound, inner)]
    if isinstance(function, MethodType):
        return ["method", _function(function.__func__, inner), _value(function.__self__, inner)]
    if isinstance(function, FunctionType):
        enclosed = [_enclosed(cell, inner) for cell in function.__closure__ or ()]
        defaults = [function.__defaults__, function.__kwdefaults__]
        return [_code(function.__code__), _value(defaults, inner), enclosed]
    if isinstance(function, BuiltinFunctionType) and isinstance(function.__self__, ModuleType):
        return _name(function)
    if hasattr(function, "__wrapped__"):  # such as functools.cache
        return [_name(type(function)), _function(function.__wrapped__, inner)]
    raise TypeError(
        f"function: expected, to resume from an output, a function or a functools.partial of one, "
        f"with bound and enclosed values that are numbers, strings, arrays, dataclasses, or lists "
        f"of them; got {function!r}, which another run could not compare. Make it inside the "
        f"function."
    )


def _enclosed(cell: Any, outer: tuple[Any, ...]) -> Any:
    try:
        value = cell.cell_contents
    except ValueError:  # not assigned yet
        return "empty"
    return _value(value, outer)


def _value(value: Any, outer: tuple[Any, ...]) -> Any:
    if type(value) in _PLAIN:
        return value
    kind = _name(type(value))
    if isinstance(value, slice | range):
        return [kind, *(_value(part, outer) for part in (value.start, value.stop, value.step))]
    if isinstance(value, list | tuple):
        return [kind, *(_value(part, outer) for part in value)]
    if isinstance(value, set | frozenset):  # their order changes from run to run
        return [kind, *sorted(repr(_value(part, outer)) for part in value)]
    if isinstance(value, Mapping):
        return [kind, *(_value(item, outer) for item in value.items())]
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        return [kind, str(value.dtype), value.shape, hashlib.sha256(value.tobytes()).hexdigest()]
    if isinstance(value, PurePath):
        return [kind, str(value)]
    if isinstance(value, type | ModuleType | np.ufunc):
        return [kind, _name(value)]
    if is_dataclass(value):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        return [kind, _value(parts, outer)]
    return _function(value, outer)


def _code(code: CodeType) -> list[Any]:
    """All that acts, and no comments, docstrings, line numbers or paths."""
    every = [each for each in dis.get_instructions(code) if each.opname != "EXTENDED_ARG"]
    # A constant counts by its value, not by its place in the table of all.
    instructions = [
        (each.opname, _constant(code.co_consts[each.arg or 0]))
        if each.opcode in dis.hasconst
        else (each.opname, each.arg)
        for each, following in zip_longest(every, every[1:])
        if not (following and following.opname == "STORE_NAME" and following.argval in _ABOUT)
    ]
    flags = code.co_flags & ~getattr(inspect, "CO_HAS_DOCSTRING", 0)  # from Python 3.14 on
    arguments = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, flags)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return [instructions, code.co_exceptiontable, arguments, names]


def _constant(value: Any) -> Any:
    return _code(value) if isinstance(value, CodeType) else _value(value, ())


def _name(named: Any) -> str:
    return f"{getattr(named, '__module__', '')}.{getattr(named, '__qualname__', named.__name__)}"
