"""A field's value is checked where it is set, and the message names the field."""

import math
from dataclasses import fields
from typing import Any

from jaxvae.errors import UserError

COUNTABLE = 2**31  # Steps and sizes are 32-bit integers to JAX.


def require(condition: bool, name: str, value: object, wanted: str) -> None:
    """Raises `UserError` unless the condition holds."""
    if not condition:
        raise UserError(f"{name} is {value!r}, but must be {wanted}.")


def require_usable_numbers(part: Any, prefix: str) -> None:
    """Raises `UserError` for a number in a part of a config that is not finite or too large to count with."""
    for field in fields(part):
        held = getattr(part, field.name)
        for value in held if isinstance(held, tuple) else (held,):
            if isinstance(value, float):
                require(math.isfinite(value), f"{prefix}{field.name}", held, "finite")
            if isinstance(value, int):
                require(abs(value) < COUNTABLE, f"{prefix}{field.name}", held, "below 2**31")
