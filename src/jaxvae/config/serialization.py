"""Configs as JSON and back, and what differs between two."""

import json
import sys
from dataclasses import asdict, is_dataclass
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from jaxvae.config.checks import require
from jaxvae.config.experiment import Config
from jaxvae.errors import UserError, suggest

LARGEST = sys.float_info.max


def to_json(config: Config) -> dict[str, Any]:
    """The config as JSON values: nested dicts, lists, strings and numbers."""
    # Tuples become lists, as they will when the file is read again.
    values: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return values


def from_json(values: dict[str, Any]) -> Config:
    """The config written by `to_json`; a field that is missing, as in files older than the field, has its default.

    Raises `UserError` that names a field which is unknown, of the wrong type, or has a value that will not do.
    """
    if not isinstance(values, dict):
        raise UserError(f"the configuration cannot be read: it is no JSON object but {values!r}.")
    config: Config = _part(Config, values, "")
    return config


def differences(old: Config, new: Config) -> list[str]:
    """Each field that differs, as "train.steps is 50 there and 3000 here"."""
    left, right = flatten(to_json(old)), flatten(to_json(new))
    return [f"{name} is {left[name]!r} there and {right[name]!r} here" for name in left if left[name] != right[name]]


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one dict with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def _part(kind: type, values: dict[str, Any], prefix: str) -> Any:
    types = get_type_hints(kind)
    for name in values:
        if name not in types:
            raise UserError(f"the configuration has no field {f'{prefix}{name}'!r}: {suggest(str(name), types)}")
    return kind(**{name: _value(types[name], value, f"{prefix}{name}") for name, value in values.items()})


def _value(kind: Any, value: Any, name: str) -> Any:
    """A value as its field's type wants it. Nothing is converted but lists to tuples and whole numbers to floats."""
    parts = get_args(kind)
    if is_dataclass(kind):
        require(isinstance(value, dict), name, value, "a JSON object")
        return _part(kind, value, f"{name}.")  # type: ignore[arg-type]
    if get_origin(kind) is UnionType:  # Of a type and None.
        return None if value is None else _value(parts[0], value, name)
    if get_origin(kind) is Literal:
        require(value in parts, name, value, f"one of {', '.join(map(repr, parts))}")
        return value
    if get_origin(kind) is tuple:
        wanted = "a list" if parts[-1] is Ellipsis else f"a list of {len(parts)}"
        require(isinstance(value, list) and (parts[-1] is Ellipsis or len(value) == len(parts)), name, value, wanted)
        return tuple(_value(parts[0], each, f"{name}[{i}]") for i, each in enumerate(value))
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST
        require(number, name, value, "a finite number")
        return float(value)
    require(type(value) is kind, name, value, WANTED[kind])
    return value


WANTED = {int: "a whole number", bool: "true or false", str: "a string"}
