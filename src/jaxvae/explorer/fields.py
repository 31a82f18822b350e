"""Fields of untrusted JSON objects; each reader raises UserError for a value of another type or size."""

import json
import math
from collections.abc import Sequence
from typing import Any

from jaxvae.errors import UserError, suggest

MAX_TEXT = 1000  # Characters of a text field.
MAX_SHOWN = 60  # Characters of an invalid value shown in its error.


def read_object(body: bytes) -> dict[str, Any]:
    """Parses a JSON object."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UserError("the request is not JSON.") from error
    if not isinstance(fields, dict):
        raise UserError("the request is not a JSON object.")
    return fields


def read_text(fields: dict[str, Any], name: str) -> str:
    """Returns a text field."""
    return check_text(name, fields.get(name))


def check_text(name: str, value: Any) -> str:
    """Returns a value that is text, without surrounding spaces."""
    if not isinstance(value, str):
        raise UserError(f"{name} is {_shown(value)}, but must be text.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise UserError(f"{name} holds half of a surrogate pair, which is not text.")
    if len(value) > MAX_TEXT:
        raise UserError(f"{name} has {len(value)} characters; the limit is {MAX_TEXT}.")
    return value.strip()


def read_number(fields: dict[str, Any], name: str, low: float, high: float) -> float:
    """Returns a number from `low` to `high`."""
    value = fields.get(name)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or (isinstance(value, float) and math.isnan(value))
    ):
        raise UserError(f"{name} is {_shown(value)}, but must be a number.")
    if not low <= value <= high:
        raise UserError(f"{name} is {_shown(value)}, but must be between {low:g} and {high:g}.")
    return float(value)


def read_whole(fields: dict[str, Any], name: str, low: int, high: int) -> int:
    """Returns a whole number from `low` to `high`."""
    value = read_number(fields, name, low, high)
    if value != int(value):
        raise UserError(f"{name} is {value:g}, but must be a whole number.")
    return int(value)


def read_flag(fields: dict[str, Any], name: str) -> bool:
    """Returns true or false."""
    value = fields.get(name)
    if not isinstance(value, bool):
        raise UserError(f"{name} is {_shown(value)}, but must be true or false.")
    return value


def read_choice(fields: dict[str, Any], name: str, choices: Sequence[str]) -> str:
    """Returns one of the choices."""
    value = read_text(fields, name)
    if value not in choices:
        raise UserError(f"{name} is {value[:MAX_SHOWN]!r}: {suggest(value, choices)}")
    return value


def read_list(fields: dict[str, Any], name: str, least: int, most: int) -> list[Any]:
    """Returns a list of `least` to `most` items, which are still unchecked."""
    value = fields.get(name)
    if not isinstance(value, list):
        raise UserError(f"{name} is {_shown(value)}, but must be a list.")
    if not least <= len(value) <= most:
        count = str(least) if least == most else f"{least} to {most}"
        raise UserError(f"{name} has {len(value)} items, but must have {count}.")
    return value


def _shown(value: Any) -> str:
    return str(value)[:MAX_SHOWN]
