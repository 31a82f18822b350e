"""Requests of the page, parsed from untrusted JSON; each reader raises UserError if a field is missing or invalid."""

from dataclasses import dataclass
from typing import Any

from jaxvae.errors import UserError
from jaxvae.explorer.faces import Face, Move, parse_face, parse_move, parse_values
from jaxvae.explorer.fields import (
    read_choice,
    read_flag,
    read_list,
    read_number,
    read_object,
    read_text,
    read_whole,
)
from jaxvae.rendering.animation import SUFFIXES

MAX_TEMPERATURE = 10.0
MIN_SIDE, MAX_SIDE = 64, 1024  # Of a saved picture, in pixels.
MAX_FRAMES, MAX_SECONDS = 200, 60.0
MAX_ANIMATION_PIXELS = 60_000_000  # Of all frames together, which are held in memory.
MAX_CELLS = 11  # Along a side of a sheet.
MAX_FACES = 100  # On a shelf, or marked on the map.
MAX_PAGE = 10**6


@dataclass(frozen=True, kw_only=True)
class DrawRequest:
    """A request for samples from a prior."""

    prior: str
    seed: int
    temperature: float
    wanted: tuple[str, ...] = ()
    """What the samples should show, as NAME=VALUE; only of a prior that knows attributes."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large an image is saved: its longer side in pixels, enlarged smoothly or by repeating pixels."""

    side: int
    smooth: bool


@dataclass(frozen=True, kw_only=True)
class AnimationRequest:
    """A request for a walk as a GIF, WebP or MP4 of `frames` images that takes `seconds` from end to end."""

    move: Move
    suffix: str
    frames: int
    seconds: float
    size: Size


@dataclass(frozen=True, kw_only=True)
class SheetRequest:
    """A request for the sheet of `cells` x `cells` codes between four faces."""

    corners: tuple[Face, ...]
    path: str
    cells: int


@dataclass(frozen=True, kw_only=True)
class GalleryRequest:
    """A request for one page of the images that have these values of attributes."""

    page: int
    where: tuple[tuple[str, str], ...]


def read_move(body: bytes) -> Move:
    """Parses a point of a walk."""
    return parse_move(read_object(body))


def read_draw(body: bytes) -> DrawRequest:
    """Parses a draw request."""
    return parse_draw(read_object(body))


def parse_draw(fields: dict[str, Any]) -> DrawRequest:
    """Parses a draw request from its fields."""
    seed = read_whole(fields, "seed", 0, 2**32 - 1)
    temperature = read_number(fields, "temperature", 0.0, MAX_TEMPERATURE)
    return DrawRequest(
        prior=read_text(fields, "prior"),
        seed=seed,
        temperature=round(temperature, 3),
        wanted=tuple(f"{name}={value}" for name, value in parse_values(fields, "wanted")),
    )


def read_face(body: bytes) -> Face:
    """Parses `name`, a face."""
    return parse_face(read_object(body).get("name"))


def read_faces(body: bytes) -> tuple[Face, ...]:
    """Parses `faces`, a list."""
    return tuple(parse_face(face) for face in read_list(read_object(body), "faces", 1, MAX_FACES))


def read_picture(body: bytes) -> tuple[Face, Size]:
    """Parses a face and the size it is saved at."""
    fields = read_object(body)
    return parse_face(fields.get("name")), _size(fields)


def read_animation(body: bytes) -> AnimationRequest:
    """Parses an animation request."""
    fields = read_object(body)
    frames, size = read_whole(fields, "frames", 2, MAX_FRAMES), _size(fields)
    if frames * size.side**2 > MAX_ANIMATION_PIXELS:
        most = MAX_ANIMATION_PIXELS // size.side**2
        raise UserError(f"{frames} frames of {size.side} pixels are too many; at this size the limit is {most} frames.")
    return AnimationRequest(
        move=parse_move(fields),
        suffix=read_choice(fields, "format", SUFFIXES),
        frames=frames,
        seconds=read_number(fields, "seconds", 0.1, MAX_SECONDS),
        size=size,
    )


def read_sheet(body: bytes) -> SheetRequest:
    """Parses a sheet request."""
    fields = read_object(body)
    corners = tuple(parse_face(corner, "a corner") for corner in read_list(fields, "corners", 4, 4))
    return SheetRequest(
        corners=corners, path=read_text(fields, "path"), cells=read_whole(fields, "cells", 2, MAX_CELLS)
    )


def read_gallery(body: bytes) -> GalleryRequest:
    """Parses a gallery request."""
    fields = read_object(body)
    return GalleryRequest(page=read_whole(fields, "page", 0, MAX_PAGE), where=parse_values(fields, "where"))


def read_attribute(body: bytes) -> str:
    """Parses `attribute`, a name; empty for none."""
    return read_text(read_object(body), "attribute")


def _size(fields: dict[str, Any]) -> Size:
    return Size(side=read_whole(fields, "side", MIN_SIDE, MAX_SIDE), smooth=read_flag(fields, "smooth"))
