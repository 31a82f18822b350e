"""Faces named by how they are made, so that an address can hold them: parsed from untrusted JSON, and back.

A face is a name (`test:12`, `sunglasses=1`, `draw:…`, `upload:…`), a point of a walk, a mixture, or a face with other
attributes:

    {"first": FACE, "last": FACE, "path": "linear", "degree": 0.5, "amounts": {"attribute:hat": 1}}
    {"mix": [[FACE, 0.5], [FACE, 0.5]]}
    {"face": FACE, "with": {"hat": "1"}}
"""

from dataclasses import dataclass
from typing import Any

from jaxvae.errors import UserError
from jaxvae.explorer.fields import check_text, read_list, read_number, read_text

MAX_AMOUNTS, MAX_AMOUNT = 200, 100.0
MIN_MIXED, MAX_MIXED = 2, 6
MAX_DEPTH = 8  # Faces made of faces made of faces …
MAX_NAMES = 100  # In one face.
MAX_CONDITIONS = 100


@dataclass(frozen=True, kw_only=True)
class Move:
    """A point at `degree`, from 0 to 1, on `path` from face `first` to `last`, then moved by slider amounts."""

    first: "Face"
    last: "Face"
    path: str
    degree: float
    amounts: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Mix:
    """A weighted mean of faces; the weights need not sum to 1."""

    parts: tuple[tuple["Face", float], ...]


@dataclass(frozen=True)
class Exchanged:
    """A face of which attributes are exchanged; `wanted` has their names and values."""

    face: "Face"
    wanted: tuple[tuple[str, str], ...]


Face = str | Move | Mix | Exchanged


def parse_face(value: Any, name: str = "name") -> Face:
    """Parses a face from JSON; raises UserError if it is malformed or made of too many others."""
    face = _parse(value, name, 0)
    _refuse_many(face)
    return face


def parse_move(fields: dict[str, Any]) -> Move:
    """Parses a point of a walk from its fields; raises UserError if one is missing or invalid."""
    move = _parse_move(fields, 0)
    _refuse_many(move)
    return move


def face_json(face: Face) -> Any:
    """Returns a face as JSON that `parse_face` reads."""
    match face:
        case Move():
            ends = {"first": face_json(face.first), "last": face_json(face.last)}
            return {**ends, "path": face.path, "degree": face.degree, "amounts": dict(face.amounts)}
        case Mix():
            return {"mix": [[face_json(part), weight] for part, weight in face.parts]}
        case Exchanged():
            return {"face": face_json(face.face), "with": dict(face.wanted)}
    return face


def parse_values(fields: dict[str, Any], name: str) -> tuple[tuple[str, str], ...]:
    """Returns the values of attributes in a field, which may be missing, in the order of the attributes' names."""
    values = fields.get(name, {})
    if not isinstance(values, dict) or len(values) > MAX_CONDITIONS:
        raise UserError(f"{name} must be an object of at most {MAX_CONDITIONS} values by attribute.")
    return tuple(sorted((check_text("an attribute", each), read_text(values, each)) for each in values))


_MOVE = ("first", "last", "path", "degree", "amounts")
_WAY_OUT = "Save its picture and upload that instead."


def _parse(value: Any, name: str, depth: int) -> Face:
    if not isinstance(value, dict):
        return check_text(name, value)
    if depth == MAX_DEPTH:
        raise UserError(f"a face is made of faces nested more than {MAX_DEPTH} deep. {_WAY_OUT}")
    if set(value) == {"mix"}:
        return Mix(tuple(_parse_part(part, depth) for part in read_list(value, "mix", MIN_MIXED, MAX_MIXED)))
    if set(value) == {"face", "with"}:
        if not (wanted := parse_values(value, "with")):
            raise UserError("with names no attribute to exchange.")
        return Exchanged(_parse(value["face"], "face", depth + 1), wanted)
    if not set(value) <= set(_MOVE):
        unknown = next(key for key in value if key not in _MOVE)
        raise UserError(
            f"{name} has the field {str(unknown)[:60]!r}; expected {', '.join(_MOVE)}, or mix, or face and with."
        )
    return _parse_move(value, depth)


def _parse_move(value: dict[str, Any], depth: int) -> Move:
    amounts = value.get("amounts", {})
    if not isinstance(amounts, dict) or len(amounts) > MAX_AMOUNTS:
        raise UserError(f"amounts must be an object of at most {MAX_AMOUNTS} slider amounts by key.")
    read = {key: read_number(amounts, key, -MAX_AMOUNT, MAX_AMOUNT) for key in amounts}
    return Move(
        first=_parse(value.get("first"), "first", depth + 1),
        last=_parse(value.get("last"), "last", depth + 1),
        path=read_text(value, "path"),
        degree=read_number(value, "degree", 0.0, 1.0),
        amounts=tuple(sorted((key, amount) for key, amount in read.items() if amount)),
    )


def _parse_part(part: Any, depth: int) -> tuple[Face, float]:
    if not isinstance(part, list) or len(part) != 2:
        raise UserError("each part of a mix must be a list of a face and its weight.")
    face, weight = part
    # No weight may be so small that the sum of all is 0.
    return _parse(face, "a part of a mix", depth + 1), read_number({"weight": weight}, "weight", 0.001, 1000.0)


def _refuse_many(face: Face) -> None:
    if (count := _count_names(face)) > MAX_NAMES:
        raise UserError(f"a face is made of {count} images; the limit is {MAX_NAMES}. {_WAY_OUT}")


def _count_names(face: Face) -> int:
    match face:
        case Move():
            return _count_names(face.first) + _count_names(face.last)
        case Mix():
            return sum(_count_names(part) for part, _ in face.parts)
        case Exchanged():
            return _count_names(face.face)
    return 1
