"""Requests of the page, parsed from untrusted JSON."""

import json
import math
from dataclasses import dataclass
from typing import Any

from jaxvae.errors import UserError

MAX_AMOUNTS, MAX_AMOUNT = 200, 100.0
MAX_TEMPERATURE = 10.0
MAX_SHOWN = 60  # Characters of an invalid value shown in its error.


@dataclass(frozen=True, kw_only=True)
class Move:
    """A point at `degree`, from 0 to 1, on `path` from image `first` to `last`, then moved by slider amounts."""

    first: str
    last: str
    path: str
    degree: float
    amounts: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class DrawRequest:
    """A request for samples from a prior."""

    prior: str
    seed: int
    temperature: float


def read_move(body: bytes) -> Move:
    """Parses a move from JSON; raises UserError if a field is missing or invalid."""
    fields = _fields(body)
    amounts = fields.get("amounts", {})
    if not isinstance(amounts, dict) or len(amounts) > MAX_AMOUNTS:
        raise UserError(f"amounts must be an object of at most {MAX_AMOUNTS} slider amounts by key.")
    return Move(
        first=read_text(fields, "first"),
        last=read_text(fields, "last"),
        path=read_text(fields, "path"),
        degree=_number(fields, "degree", 0.0, 1.0),
        amounts={key: _number(amounts, key, -MAX_AMOUNT, MAX_AMOUNT) for key in amounts},
    )


def read_draw(body: bytes) -> DrawRequest:
    """Parses a draw request from JSON; raises UserError if a field is missing or invalid."""
    return parse_draw(_fields(body))


def parse_draw(fields: dict[str, Any]) -> DrawRequest:
    """Parses a draw request from its fields; raises UserError if one is missing or invalid."""
    seed = _number(fields, "seed", 0, 2**32 - 1)
    if seed != int(seed):
        raise UserError(f"seed is {seed:g}, but must be a whole number.")
    temperature = _number(fields, "temperature", 0.0, MAX_TEMPERATURE)
    return DrawRequest(prior=read_text(fields, "prior"), seed=int(seed), temperature=round(temperature, 3))


def read_name(body: bytes) -> str:
    """Parses the name of an image from JSON."""
    return read_text(_fields(body), "name").strip()


def read_text(fields: dict[str, Any], name: str) -> str:
    """Returns a text field; raises UserError if it is not text."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise UserError(f"{name} is {str(value)[:MAX_SHOWN]}, but must be text.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise UserError(f"{name} holds half of a surrogate pair, which is not text.")
    return value


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UserError("the request is not JSON.") from error
    if not isinstance(fields, dict):
        raise UserError("the request is not a JSON object.")
    return fields


def _number(fields: dict[str, Any], name: str, low: float, high: float) -> float:
    value = fields.get(name)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or (isinstance(value, float) and math.isnan(value))
    ):
        raise UserError(f"{name} is {str(value)[:MAX_SHOWN]}, but must be a number.")
    if not low <= value <= high:
        raise UserError(f"{name} is {str(value)[:MAX_SHOWN]}, but must be between {low:g} and {high:g}.")
    return float(value)
