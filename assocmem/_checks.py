"""Arguments at the public boundary: each check returns its argument as it is used, or refuses it.

Every refusal is a TypeError or a ValueError that reads "name: expected ...; got ...".
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from importlib import import_module
from math import inf, isfinite
from numbers import Number, Real
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

# An array whose dtype is checked at run time, and one of token ids or positions.
Array: TypeAlias = NDArray[Any]
Ints: TypeAlias = NDArray[np.int64]

Kind = TypeVar("Kind")
Option = TypeVar("Option")
# A string: evaluating it would load numpy.random on import.
Seed: TypeAlias = (
    "int | np.random.Generator | np.random.SeedSequence | np.random.BitGenerator | None"
)

MOST_BYTES = 2**34
MOST_DRAWS = 10**9  # one after the other: more would not end


def generator(rng: Seed) -> np.random.Generator:
    """The generator itself, or a new one from a seed."""
    random = np.random
    if rng is None or isinstance(rng, random.Generator | random.SeedSequence | random.BitGenerator):
        return random.default_rng(rng)
    text = f"expected None, an integer, a SeedSequence or a Generator; got {rng!r}"
    if isinstance(rng, bool) or not isinstance(rng, int | np.integer):
        raise TypeError(f"rng: {text}. Pass an integer to get the same draws again.")
    if rng < 0:
        raise ValueError(f"rng: {text}. Pass a seed of at least 0.")
    return random.default_rng(rng)


def checked_size(name: str, size: Any, most: float = inf) -> int:
    """A number of things, an integer of at least 1."""
    if isinstance(size, bool) or not isinstance(size, int | np.integer):
        raise TypeError(
            f"{name}: expected an integer; got {size!r} of type {type(size).__name__}. Convert a "
            f"whole number with int."
        )
    if size < 1:
        raise ValueError(f"{name}: expected at least 1; got {size}. Ask for one or more.")
    if size > most:
        raise ValueError(f"{name}: expected at most {most}; got {size}. Ask for fewer.")
    return int(size)


def is_symbolic(number: Any) -> bool:
    """Whether a size is a SymPy expression with symbols, or an element of a SymPy field or ring."""
    of_sympy = hasattr(number, "field") or hasattr(number, "ring")
    return of_sympy or bool(getattr(number, "free_symbols", None))


def at_least(name: str, given: Any, least: int, *, symbolic: bool = False) -> Any:
    """`given` as an int of at least `least`, or unchanged when it is an admitted expression."""
    if symbolic and is_symbolic(given):
        return given
    try:
        number = operator.index(given)
    except TypeError:
        number = None
    if number is None or isinstance(given, (bool, np.bool_)):
        allowed = "an integer or a SymPy expression" if symbolic else "an integer"
        raise TypeError(f"{name}: expected {allowed}; got {given!r}. Convert with int.")
    if number < least:
        raise ValueError(f"{name}: expected at least {least}; got {number}.")
    return number


def checked_number(
    name: str,
    number: Any,
    expected: str = "a finite number",
    valid: Callable[[float], bool] = isfinite,
    remedy: str = "",
) -> float:
    """A real number for which the condition holds; it should not hold for NaN."""
    error: type[Exception] = TypeError
    if not isinstance(number, bool) and isinstance(number, Real):
        error = ValueError
        try:
            value = float(number)
        except OverflowError:  # an integer that no float reaches
            value = inf
        if valid(value):
            return value
    raise error(f"{name}: expected {expected}; got {number!r}.{remedy and ' ' + remedy}")


def checked_probability(name: str, number: Any) -> float:
    """A probability that is neither 0 nor 1."""
    return checked_number(name, number, "a probability in (0, 1)", lambda p: 0 < p < 1, "Try 1e-6.")


def checked_option(name: str, option: Any, options: Iterable[Option], remedy: str = "") -> Option:
    """One of a few strings or integers."""
    if isinstance(option, str | int | np.integer) and not isinstance(option, bool):
        for each in options:
            if option == each:
                return each
    known = ", ".join(map(repr, options))
    raise ValueError(f"{name}: expected one of {known}; got {option!r}.{remedy and ' ' + remedy}")


def checked_names(
    name: str, given: Any, known: Collection[str], remedy: str = ""
) -> tuple[str, ...]:
    """Some of the known names, each once."""
    names = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [None]
    strings = [each for each in names if isinstance(each, str) and each in known]
    if len(set(strings)) == len(names):
        return tuple(strings)
    shown = tuple(names) if isinstance(given, Mapping) else given
    raise ValueError(
        f"{name}: expected names among {', '.join(known) or 'none'}, each once; got {shown!r}."
        f"{remedy and ' ' + remedy}"
    )


def checked_flag(name: str, given: Any) -> bool:
    """True or False, of Python or NumPy; "no" is true, and so is no flag."""
    if isinstance(given, bool | np.bool_):
        return bool(given)
    raise TypeError(f"{name}: expected True or False; got {given!r}. Pass one of the two.")


def checked_sequence(name: str, given: Any, expected: str) -> list[Any]:
    """A list of what is given, in its order; sets have none, and mappings are no lists."""
    point = isinstance(given, np.ndarray) and given.ndim == 0
    if point or isinstance(given, str | bytes | Set | Mapping) or not isinstance(given, Iterable):
        raise TypeError(f"{name}: expected {expected}; got {given!r}. Pass a list or a tuple.")
    return list(given)


def checked_bytes(name: str, most: Any) -> float:
    """A limit of memory, any number of bytes from 0 up."""
    return checked_number(name, most, "a number of bytes", lambda number: number >= 0)


def require_room(name: str, what: str, needed: int, remedy: str) -> None:
    """Refuse what would not fit into memory, by its size, before any of it is made."""
    if needed > MOST_BYTES:
        raise ValueError(
            f"{name}: expected {what} that take at most {MOST_BYTES:.2g} bytes; got some that take "
            f"{needed:.2g}. {remedy}"
        )


def checked_mapping(name: str, given: Any) -> Mapping[Any, Any]:
    """A mapping, as it came."""
    if isinstance(given, Mapping):
        return given
    raise TypeError(f"{name}: expected a mapping; got {type(given).__name__}. Give each its name.")


def checked_kind(name: str, given: Any, kind: type[Kind], remedy: str = "") -> Kind:
    """An object of one class of the library."""
    if isinstance(given, kind):
        return given
    wanted = kind.__name__
    if not wanted.endswith("s"):
        wanted = f"{'an' if wanted[0] in 'AEIO' else 'a'} {wanted}"
    raise TypeError(
        f"{name}: expected {wanted}; got {type(given).__name__}.{remedy and ' ' + remedy}"
    )


def checked_array(name: str, given: Any) -> Array:
    """An array of whatever is given, if it has a value at each place.

    Half floats are taken as float64: a sum of their squares soon exceeds 65 504, their largest.
    """
    if _has_masked(given):
        raise ValueError(
            f"{name}: expected a value at every place; got a masked array with some masked. Fill "
            f"them by .filled(value), or leave their rows out."
        )
    if hasattr(given, "nnz") and hasattr(given, "toarray"):
        raise TypeError(
            f"{name}: expected a dense array; got the sparse {type(given).__name__}. Write it out "
            f"by .toarray()."
        )
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise ValueError(
            f"{name}: expected rows of one length; got others ({error}). Fill or cut them."
        ) from None
    if array.ndim == 0 and array.dtype == object and not _is_scalar(given):
        raise TypeError(
            f"{name}: expected numbers in an array or nested lists; got {type(given).__name__}. "
            f"Convert it by np.array."
        )
    return array.astype(np.float64) if array.dtype == np.float16 else array


def _has_masked(given: Any) -> bool:
    """Whether a value is masked in an array, or in a list of arrays; np.asarray drops the mask."""
    if isinstance(given, np.ma.MaskedArray):
        return bool(np.ma.getmaskarray(given).any())
    if isinstance(given, list | tuple):
        return any(
            isinstance(part, list | tuple | np.ma.MaskedArray) and _has_masked(part)
            for part in given
        )
    return False


def _is_scalar(given: Any) -> bool:
    """A number, one of SymPy's, or an array that holds one."""
    sympys = hasattr(given, "free_symbols") or hasattr(given, "field")
    return sympys or isinstance(given, Number | np.ndarray)


def checked_integers(name: str, given: Any, expected: str = "integers") -> NDArray[np.int64]:
    """Integers of any width, as int64: narrow ones overflow in sums, and unsigned ones wrap."""
    array = checked_array(name, given)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected {expected}; got dtype {array.dtype}. Convert with int.")
    if array.dtype == np.uint64 and array.size and int(array.max()) >= 2**63:
        raise ValueError(
            f"{name}: expected {expected} below 2^63; got {array.max()}. Look for a negative "
            f"number that was made unsigned."
        )
    return array.astype(np.int64, copy=False)


def checked_reals(name: str, given: Any) -> Array:
    """An array of finite real numbers."""
    array = checked_array(name, given)
    if array.dtype.kind not in "iuf":
        raise TypeError(
            f"{name}: expected real numbers; got dtype {array.dtype}. Convert it with astype."
        )
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name}: expected finite numbers; got NaN or infinity. Check where they come from."
        )
    return array


def checked_laws(name: str, given: Any) -> NDArray[np.float64]:
    """Probabilities as float64, that sum to 1 along the last axis up to rounding."""
    array = checked_reals(name, given)
    laws = array.astype(np.float64, copy=False)
    if laws.min(initial=0) < 0:
        raise ValueError(
            f"{name}: expected probabilities, at least 0; got {laws.min()}. Check its sign."
        )
    # rounding of a normaliser and of its check: (n - 1) eps / 2 each, eps / 2 to divide
    rounding = max(np.count_nonzero(laws, axis=-1).max(initial=0), 1) * np.finfo(np.float64).eps
    sums = laws.sum(axis=-1)
    off = np.abs(np.atleast_1d(sums) - 1)
    if off.max(initial=0) > rounding:
        narrow = np.asarray(given).dtype
        first = f"Convert it by .astype(float), as {narrow} rounds by more, then d"
        raise ValueError(
            f"{name}: expected a sum of 1 for each law; got {float(np.ravel(sums)[off.argmax()])}. "
            f"{first if narrow in (np.float16, np.float32) else 'D'}ivide each law by its sum."
        )
    return laws


def checked_rows(name: str, rows: ArrayLike) -> Array:
    """Vectors, one a row, as floats."""
    array = checked_array(name, rows)
    if array.dtype.kind in "iuf" and (array.ndim != 2 or 0 in array.shape):
        raise ValueError(
            f"{name}: expected a non-empty 2-d array with one vector per row; got shape "
            f"{array.shape}. Reshape a single vector to (1, d)."
        )
    array = checked_reals(name, array)
    return array if array.dtype.kind == "f" else array.astype(np.float64)  # integers overflow


def checked_dtype(name: str, dtype: DTypeLike) -> np.dtype[Any]:
    """float32 or float64."""
    try:
        found = None if dtype is None else np.dtype(dtype)
    except TypeError:
        found = None
    if found not in (np.float32, np.float64):
        raise TypeError(
            f"{name}: expected float32 or float64; got {found or repr(dtype)}. Convert it with "
            f"astype."
        )
    assert found is not None
    return found


def checked_table(name: str, given: ArrayLike, width: int | None = None) -> Array:
    """`given` as a non-empty 2-d array of finite numbers or expressions, of the given width."""
    table = checked_array(name, given)
    if table.ndim != 2 or table.size == 0:
        raise ValueError(
            f"{name}: expected a non-empty 2-d array; got shape {table.shape}. "
            f"Put one vector in a row of its own: {name}=[vector]."
        )
    if width is not None and table.shape[1] != width:
        raise ValueError(
            f"{name}: expected vectors of width {width}, as in the memory; got {table.shape[1]}. "
            f"Vectors are rows: transpose them if they stand in columns."
        )
    if table.dtype.kind not in "biufO":
        raise TypeError(
            f"{name}: expected real numbers or SymPy expressions; got dtype {table.dtype}. "
            f"Convert to float, int or object."
        )
    if table.dtype.kind == "f" and not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        raise ValueError(
            f"{name}: expected finite numbers; got {float(table[row, column])} at "
            f"[{row}, {column}]. Look for a division by zero or an overflow where it was computed."
        )
    if table.dtype == object:
        checked_entries(name, table)
    if table.dtype.kind not in "biu":
        return table
    # products of booleans are logical and small integers overflow
    return table.astype(np.float64 if table.dtype == np.uint64 else np.int64)


def checked_entries(name: str, table: Array) -> None:
    """Refuse an array of objects unless each is a finite real number or a SymPy expression."""
    for place, entry in np.ndenumerate(table):
        if is_symbolic(entry):
            continue
        if hasattr(entry, "free_symbols"):  # a number of SymPy's
            right = entry.is_finite
        else:
            try:
                right = isinstance(entry, Real) and isfinite(entry)
            except OverflowError:  # an integer that no float reaches
                right = False
        if not right:
            shown = (
                f"{entry!r:.60}" if not isinstance(entry, int) else f"about 2^{entry.bit_length()}"
            )
            raise (ValueError if isinstance(entry, Number | None) else TypeError)(
                f"{name}: expected finite real numbers or SymPy expressions; got {shown} of type "
                f"{type(entry).__name__} at {list(place)}. Convert it by float, or look for where "
                f"it was computed."
            )


def as_floats(name: str, table: Array) -> Array:
    """`table`, with SymPy numbers turned into floats."""
    if table.dtype != object:
        return table
    try:
        return table.astype(float)
    except TypeError:
        raise TypeError(
            f"{name}: expected numbers; got symbolic entries. Substitute the symbols first."
        ) from None


def checked_targets(targets: ArrayLike | None, m: int, n: int) -> NDArray[np.int64]:
    """The value of each of n keys, among m; 0, 1, 2, ... when left out."""
    if targets is None:
        if m < n:
            raise ValueError(
                f"targets: expected at least as many values as keys, as key i asks for value i "
                f"when they are left out; got {n} keys and {m} values. Pass shape ({n},)."
            )
        return np.arange(n)
    chosen = checked_integers("targets", targets, "integers, the index of each key's value")
    if chosen.shape != (n,):
        raise ValueError(f"targets: expected shape ({n},), one per key; got {chosen.shape}.")
    if chosen.min() < 0 or chosen.max() >= m:
        raise ValueError(
            f"targets: expected indices of values from 0 to {m - 1}; got {chosen.min()} to "
            f"{chosen.max()}. They count from 0."
        )
    return chosen


def checked_mask(among: ArrayLike, m: int | None = None, n: int | None = None) -> NDArray[np.bool_]:
    """A copy of the boolean (m, n) mask of admissible answers."""
    mask = checked_array("among", among).copy()
    if mask.dtype != bool:
        raise TypeError(f"among: expected a boolean mask; got dtype {mask.dtype}.")
    if mask.ndim != 2 or (m is not None and mask.shape != (m, n)):
        wanted = "(values, keys)" if m is None else f"({m}, {n})"
        raise ValueError(
            f"among: expected shape {wanted}, a row per value and a column per key; "
            f"got {mask.shape}."
        )
    return mask


def checked_scalar(sign: str, given: Any) -> None:
    # a number, a SymPy expression, an element of a SymPy field, an array of one of them
    """Refuse to multiply or divide by anything but a scalar, and to divide by zero."""
    sympys = hasattr(given, "free_symbols") or hasattr(given, "field")
    if not (sympys or isinstance(given, Real | np.ndarray)) or np.ndim(given) != 0:
        raise TypeError(
            f"{sign}: expected a scalar; got {type(given).__name__}. Products of matrices are "
            f"written with @."
        )
    if sign == "/" and given == 0:
        raise ZeroDivisionError(
            "/: expected a divisor other than zero; got 0. Scale by zero with *."
        )


def required(module: str, extra: str) -> Any:
    """Import an optional package, or say which extra of this one installs it."""
    package = module.partition(".")[0]
    try:
        import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:  # it is there, and lacks something itself
            raise
        raise ModuleNotFoundError(
            f"{package}: expected the package; got none. Install it with "
            f"pip install 'assocmem[{extra}]'.",
            name=package,
        ) from None
    return import_module(module)


def renamed(old: str, new: str, remedy: str = "", stacklevel: int = 3) -> None:
    """Warn who calls a public name of before: it goes with the next minor version."""
    warnings.warn(
        f"{old} is deprecated and goes with the next minor version: write {new}."
        f"{remedy and ' ' + remedy}",
        DeprecationWarning,
        stacklevel=stacklevel,
    )
