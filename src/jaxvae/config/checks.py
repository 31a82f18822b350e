"""Checks of a config's fields when it is constructed; every message names the field."""

import sys
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from jaxvae.errors import UserError, suggest

COUNTABLE = 2**31  # JAX counts steps and sizes in 32-bit integers.
LARGEST = sys.float_info.max
EXPECTED = {int: "a whole number", bool: "true or false", str: "a string"}


def require(condition: bool, name: str, value: object, wanted: str) -> None:
    """Raises `UserError` unless the condition holds."""
    if not condition:
        raise UserError(f"{name} is {value!r}, but must be {wanted}.")


class CheckedFields(type):
    """Metaclass of configs: refuses unknown keyword arguments by name, with the nearest right one."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        """Constructs the config.

        Raises:
            UserError: an argument is positional, unknown, missing, or its value is of the wrong type or out of range.
        """
        if not is_dataclass(cls):
            raise UserError(
                f"{cls.__name__} is not a dataclass; decorate it with @dataclass(frozen=True, kw_only=True)."
            )
        values = cls.expand(values) if hasattr(cls, "expand") else values
        prefix = getattr(cls, "prefix", "")
        known = {field.name for field in fields(cls)}
        if args:
            raise UserError(
                f"{cls.__name__} takes its fields by name, as in {cls.__name__}({next(iter(known), '')}=...)."
            )
        for name in values:
            if name not in known:
                raise UserError(f"the configuration has no field {prefix + name!r}: {suggest(name, known)}")
        for field in fields(cls):
            if field.name not in values and field.default is MISSING and field.default_factory is MISSING:
                raise UserError(f"{prefix}{field.name} is missing; {cls.__name__} has no default for it.")
        types = get_type_hints(cls)
        return super().__call__(
            **{name: typed(types[name], value, f"{prefix}{name}") for name, value in values.items()}
        )


class Checked(metaclass=CheckedFields):
    """Base of every config: a frozen dataclass whose values are checked when it is constructed.

    Lists become tuples and whole numbers become floats where the field asks for them; nothing else is converted.
    `prefix` is how the command line and messages call the part, with a dot at its end.
    """

    prefix = ""

    def __post_init__(self) -> None:
        """Checks what `check` adds to the types."""
        self.check()

    def check(self) -> None:
        """Raises `UserError` for values that do not go together; overridden by each config."""

    def require(self, condition: bool, name: str, wanted: str) -> None:
        """Raises `UserError` that names the field and its value unless the condition holds."""
        require(condition, f"{self.prefix}{name}", getattr(self, name), wanted)

    def require_at_least(self, least: float, *names: str) -> None:
        """Raises `UserError` for a field below `least`; None passes."""
        for name in names:
            value = getattr(self, name)
            self.require(value is None or value >= least, name, f"at least {least}")


def typed(kind: Any, value: Any, name: str) -> Any:
    """Returns the value as its field's type asks for it.

    Raises:
        UserError: the value is not of this type.
    """
    parts, origin = get_args(kind), get_origin(kind)
    if kind is Any or (origin is None and not isinstance(kind, type)):
        return value
    if origin in (UnionType, Union):
        if value is None and NoneType in parts:
            return None
        options = [part for part in parts if part is not NoneType]
        return typed(options[0], value, name) if len(options) == 1 else _one_of(options, value, name)
    if origin is Literal:
        wrong = f"one of {', '.join(map(repr, parts))}"
        if isinstance(value, str) and value not in parts:
            hint = suggest(value, [part for part in parts if isinstance(part, str)])
            wrong += f" ({hint})" if hint.endswith("?") else ""
        require(value in parts, name, value, wrong)
        return value
    if origin is tuple:
        free = parts[-1] is Ellipsis
        right = isinstance(value, list | tuple) and (free or len(value) == len(parts))
        require(right, name, value, "a list" if free else f"a list of {len(parts)}")
        kinds = [parts[0]] * len(value) if free else parts
        return tuple(typed(part, one, f"{name}[{i}]") for i, (part, one) in enumerate(zip(kinds, value, strict=True)))
    if isinstance(kind, type) and issubclass(kind, Checked):
        coerced = kind.coerce(value, name) if hasattr(kind, "coerce") else value
        require(isinstance(coerced, kind), name, value, f"a {kind.__name__}")
        return coerced
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        require(number and -LARGEST <= value <= LARGEST, name, value, "a finite number")
        return float(value)
    if kind in EXPECTED:
        require(type(value) is kind, name, value, EXPECTED[kind])
        if kind is int:
            require(abs(value) < max(COUNTABLE, 2**32 if name == "seed" else 0), name, value, "below 2**31")
        return value
    if origin is None and isinstance(kind, type):
        require(isinstance(value, kind), name, value, f"a {kind.__name__}")
    return value


def _one_of(options: list[Any], value: Any, name: str) -> Any:
    for option in options:
        try:
            return typed(option, value, name)
        except UserError:
            continue
    words = [repr(word) for option in options if get_origin(option) is Literal for word in get_args(option)]
    words += [{float: "a finite number", **EXPECTED}.get(option, "") for option in options]
    raise UserError(f"{name} is {value!r}, but must be {' or '.join(word for word in words if word)}.")
