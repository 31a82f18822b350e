"""Unpickles dictionaries of arrays, numbers and strings from untrusted files; whatever else is in a pickle is refused.

A pickle is a program. Its instructions are checked against a list before it runs, and the few names that it may call
stand for functions of this module rather than for NumPy's own, so that nothing outside of this module is ever called.
"""

import io
import pickle
import pickletools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from jaxvae.errors import UserError, printable

# Instructions that build plain values, or call one of `_allowed`.
INSTRUCTIONS = frozenset({
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT",
    "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_DICT", "DICT",
    "SETITEM", "SETITEMS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "GET", "BINGET", "LONG_BINGET", "PUT",
    "BINPUT", "LONG_BINPUT", "MEMOIZE", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"
})  # fmt: skip
MEMO = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
PLAIN = (bytes, str, int, float)
MAX_DEPTH = 4
ITEM_SIZES = (1, 2, 4, 8)


def unpickle(data: bytes, name: str) -> Any:
    """Returns the value of a pickle of dictionaries, lists, tuples, NumPy arrays, numbers, bytes and strings.

    Args:
        data: the pickle; one written by Python 2 has bytes instead of strings.
        name: the file, for messages.

    Raises:
        UserError: the pickle contains anything else, of which nothing is then executed, or is damaged.
    """
    try:
        check_instructions(data, _is_allowed, partial(_refusal, name))
        return _convert(_Unpickler(data, name).load(), [len(data)])
    except UserError:
        raise
    except Exception as error:  # A damaged pickle may raise nearly anything.
        what = printable(" ".join(str(error).split()))[:200] or type(error).__name__
        raise UserError(f"{name} cannot be read as a pickle of arrays ({what}); it may be damaged.") from error


def as_string(value: Any) -> str:
    """Returns a key of an unpickled dictionary as a string: one written by Python 2 is bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def check_instructions(
    data: bytes,
    is_allowed: Callable[[str, str], bool],
    refusal: Callable[[str], UserError],
    instructions: frozenset[str] = INSTRUCTIONS,
) -> None:
    """Checks a pickle without running it.

    Args:
        data: the pickle.
        is_allowed: whether it may name this (module, name).
        refusal: what it contains that it may not -> the error to raise.
        instructions: those that it may have.

    Raises:
        UserError: it has another instruction or name, or is followed by something.
    """
    end = 0
    for instruction, argument, position in pickletools.genops(data):
        if instruction.name not in instructions:
            raise refusal(f"the instruction {instruction.name}")
        if instruction.name == "GLOBAL" and not is_allowed(*_split(str(argument))):
            raise refusal(".".join(_split(str(argument))))
        if instruction.name in MEMO and int(argument or 0) > len(data):
            raise refusal(f"a memo of {argument} entries")
        end = position or 0
    if end + 1 != len(data):
        raise refusal("more than one pickle")


def _split(argument: str) -> tuple[str, str]:
    module, _, name = argument.partition(" ")
    return module, name


def _refusal(name: str, what: str) -> UserError:
    return UserError(
        f"{name} is a pickle with {printable(what)[:200]}; only arrays, numbers and strings are read, and nothing in "
        "it was executed: save the images as .npz."
    )


class _Array:
    """What becomes a NumPy array: its state, as `numpy.ndarray` pickles it."""

    __slots__ = ("array",)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, raw = state
        raw = raw.encode("latin-1") if isinstance(raw, str) else raw
        self.fill(raw, kind, shape, "F" if fortran else "C")

    def fill(self, raw: Any, kind: Any, shape: Any, order: Any) -> None:
        """Sets the array, in the given order of its axes."""
        known = isinstance(kind, _Kind) and isinstance(shape, tuple) and isinstance(raw, bytes | bytearray)
        if not known or order not in ("C", "F"):
            raise ValueError("the state of an array")
        self.array = np.frombuffer(bytes(raw), kind.dtype()).reshape(shape, order=order)


class _Kind:
    """What becomes the data type of an array: a code such as `u1`, and the order of its bytes."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *_: Any) -> None:
        self.code, self.order = _text(code), "="

    def __setstate__(self, state: Any) -> None:
        self.order = _text(state[1])

    def dtype(self) -> np.dtype[Any]:
        """Returns the type, of integers, floats or booleans."""
        if self.code[:1] not in "uifb" or not self.code[1:].isdigit() or int(self.code[1:]) not in ITEM_SIZES:
            raise ValueError(f"arrays of type {self.code!r}")
        return np.dtype((self.order if self.order in "<>" else "=") + self.code)


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(io.BytesIO(data), encoding="bytes")
        self.name = name

    def find_class(self, module: str, name: str, /) -> Any:
        """Returns this module's function for a name; refuses other names."""
        if not _is_allowed(module, name):
            raise _refusal(self.name, f"{module}.{name}")
        return _allowed()[name]


def _is_allowed(module: str, name: str) -> bool:
    return (module, name) in {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy._core.numeric", "_frombuffer"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    }


def _allowed() -> dict[str, Callable[..., Any]]:
    """Returns fresh functions: a pickle can set attributes of those that it is given."""

    def reconstruct(*_: Any) -> _Array:
        return _Array()

    def frombuffer(raw: Any, kind: Any, shape: Any, order: Any) -> _Array:  # Since protocol 5.
        made = _Array()
        made.fill(raw, kind, shape, order)
        return made

    def encode(text: Any, encoding: Any) -> bytes:  # How Python 3 writes bytes for Python 2.
        if _text(encoding) not in ("latin1", "latin-1"):
            raise ValueError("the encoding of bytes")
        return _text(text).encode("latin-1")

    def ndarray(*_: Any) -> None:  # Only ever an argument of `reconstruct`.
        raise ValueError("the call of an array")

    def dtype(code: Any, *_: Any) -> _Kind:
        return _Kind(code)

    return {"_reconstruct": reconstruct, "_frombuffer": frombuffer, "ndarray": ndarray, "dtype": dtype,
            "encode": encode}  # fmt: skip


def _text(value: Any) -> str:
    if not isinstance(value, (bytes, str)):
        raise ValueError("a string")
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _convert(value: Any, left: list[int], depth: int = 0) -> Any:
    """Returns the value with NumPy's arrays; `left` bounds its size, because a pickle can repeat parts of itself."""
    left[0] -= 1
    if depth > MAX_DEPTH or left[0] < 0:
        raise ValueError("nested too deep")
    if value is None or isinstance(value, PLAIN):
        return value
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, (list, tuple)):
        return type(value)(_convert(each, left, depth + 1) for each in value)
    if isinstance(value, dict):
        return {_convert(key, left, depth + 1): _convert(each, left, depth + 1) for key, each in value.items()}
    raise ValueError(f"a value of type {type(value).__name__}")
