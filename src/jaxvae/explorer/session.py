"""One model's explorer session, with caches for endpoints, paths and draws."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.data.prepared import Prepared
from jaxvae.data.select import data_set, walk_ends
from jaxvae.errors import UserError
from jaxvae.explorer import moves
from jaxvae.explorer.ends import (
    End,
    Uploads,
    describe,
    draw_name,
    find_in_dataset,
    known_attributes,
    parse_draw_name,
)
from jaxvae.explorer.faces import Exchanged, Face, Mix, Move
from jaxvae.explorer.moves import Row, Slider
from jaxvae.explorer.plane import Plane, lay_out_test_images
from jaxvae.explorer.requests import DrawRequest
from jaxvae.latents.attributes.directions import attribute_directions
from jaxvae.latents.attributes.exchange import Exchange
from jaxvae.latents.attributes.labels import labelled_split
from jaxvae.latents.attributes.request import parse_request
from jaxvae.latents.units.rates import unit_rates
from jaxvae.runs.run import Loaded

CACHED_ENDS, CACHED_PATHS = 256, 64  # Entries of the caches, or fewer:
CACHED_BYTES = 2**28  # of the codes in one cache; a hierarchy may have hundreds of thousands of units.
RATE_IMAGES = 1000  # Images used to order units.
DIRECTION_IMAGES = 5000  # Images used to learn attributes, and their exchange.


class Session(NamedTuple):
    """Functions from the page's requests to what it shows; each raises UserError for unknown names.

    Attributes:
        loaded: The model.
        prepared: The dataset; None if it is not available.
        sliders: Sliders by group.
        uploads: Uploaded images.
        end: Finds a face.
        path: Finds the codes between two faces on a path.
        draws: Samples images from a prior.
        plane: The codes of test images; UserError if the dataset is not available.
        first: Name of the initial first image.
        last: Name of the initial last image.
        notes: What is missing and why.
    """

    loaded: Loaded
    prepared: Prepared | None
    sliders: dict[str, list[Slider]]
    uploads: Uploads
    end: Callable[[Face], End]
    path: Callable[[Face, Face, str], Float[np.ndarray, "s d"]]
    draws: Callable[[DrawRequest], list[End]]
    plane: Callable[[], Plane]
    first: str
    last: str
    notes: list[str]

    def images(self, move: Move, degrees: list[float]) -> UInt8[np.ndarray, "n h w c"]:
        """Returns the images of a move at these degrees instead of its own."""
        return moves.decode_rows(self.loaded, _move_rows(self.path, self.sliders, move, degrees))


def require_dataset(prepared: Prepared | None) -> Prepared:
    """Returns the dataset; raises UserError if it is not available."""
    if prepared is None:
        raise UserError("this needs the dataset, which is not available.")
    return prepared


def open_session(loaded: Loaded, data: Path | None, units: int) -> Session:
    """Opens a session for a model.

    Args:
        loaded: The model.
        data: The prepared dataset, if it has moved since the run was trained.
        units: Maximum number of unit sliders.
    """
    info, notes = loaded.info, list[str]()
    try:
        prepared = data_set(info.data, data)
    except UserError as error:
        if data is not None:
            raise
        prepared = None
        notes.append(f"Dataset images, attributes and units are unavailable: {error}")
    if prepared is not None:
        info = info._replace(data=prepared.data)
        loaded = loaded._replace(info=info)
    uploads = Uploads(loaded)
    sampler = lru_cache(maxsize=None)(lambda name: moves.build_sampler(loaded, name))
    named_path = lru_cache(maxsize=None)(lambda name: moves.build_named_path(loaded, name))

    units_of_code = loaded.vae.units(loaded.params)

    @lru_cache(maxsize=_entries(CACHED_ENDS, moves.DRAW_SIZE * units_of_code))
    def draws(request: DrawRequest) -> list[End]:
        rows, labels = sampler(request.prior)(request.seed, request.temperature, request.wanted)
        images, rows = moves.decode_draws(loaded, rows, labels)
        numbered = enumerate(zip(images, rows, strict=True))
        return [End(draw_name(request, index), "sample", image, row) for index, (image, row) in numbered]

    @lru_cache(maxsize=_entries(CACHED_ENDS, units_of_code))
    def named_end(name: str) -> End:
        if name.startswith("draw:"):
            request, index = parse_draw_name(name)
            return draws(request)[index]
        return find_in_dataset(loaded, name)

    @lru_cache(maxsize=_entries(CACHED_ENDS, units_of_code))
    def row(face: Face) -> Row:
        match face:
            case Move():
                return _move_rows(path, sliders, face, [face.degree])[0]
            case Mix():
                parts, weights = zip(*face.parts, strict=True)
                return moves.mix_rows([row(part) for part in parts], weights)
            case Exchanged():
                return exchanged(face).row
        return end(face).row

    def end(face: Face) -> End:
        if isinstance(face, str):
            return uploads.get(face) if face.startswith("upload:") else named_end(face)
        if isinstance(face, Exchanged):
            return exchanged(face)
        return End(face, describe(face), moves.decode_rows(loaded, row(face)[None])[0], row(face))

    @lru_cache(maxsize=_entries(CACHED_PATHS, (moves.PATH_STEPS + 1) * units_of_code))
    def path(first: Face, last: Face, name: str) -> Float[np.ndarray, "s d"]:
        return moves.path_rows(loaded, named_path(name), row(first), row(last))

    learning = Lock()

    @lru_cache(maxsize=1)
    def learn_exchange() -> Exchange:
        return Exchange.learn(loaded, labelled_split(require_dataset(prepared), "train", DIRECTION_IMAGES))

    @lru_cache(maxsize=_entries(CACHED_ENDS, units_of_code))
    def exchanged(face: Exchanged) -> End:
        request = parse_request(info.data, [f"{name}={value}" for name, value in face.wanted])
        start, known = end(face.face), known_attributes(face.face, info.data)
        with learning:  # Seconds; a second face need not wait for them twice.
            exchange = learn_exchange()
        image, row = moves.exchange_row(exchange, start.image, start.row, known, request)
        return End(face, describe(face), image, row)

    laying_out = Lock()

    @lru_cache(maxsize=1)
    def lay_out() -> Plane:
        return lay_out_test_images(loaded, require_dataset(prepared))

    def plane() -> Plane:
        with laying_out:  # Encoding takes seconds, and two of the page's tools may ask for it at once.
            return lay_out()

    first, last = _initial_ends(loaded, prepared)
    sliders = {} if prepared is None else _sliders(loaded, prepared, units, notes)
    if loaded.vae.levels:
        sliders["levels"] = moves.level_sliders(loaded)
    return Session(loaded, prepared, sliders, uploads, end, path, draws, plane, first, last, notes)


def _entries(most: int, floats: int) -> int:
    """Returns how many entries a cache may hold, each of as many float32 numbers."""
    return max(1, min(most, CACHED_BYTES // (floats * np.dtype(np.float32).itemsize)))


def _move_rows(
    path: Callable[[Face, Face, str], Float[np.ndarray, "s d"]],
    sliders: Mapping[str, list[Slider]],
    move: Move,
    degrees: list[float],
) -> Float[np.ndarray, "n d"]:
    rows, every = path(move.first, move.last, move.path), [slider for group in sliders.values() for slider in group]
    return np.stack([moves.apply_sliders(moves.code_at(rows, degree), every, move.amounts) for degree in degrees])


def _initial_ends(loaded: Loaded, prepared: Prepared | None) -> tuple[str, str]:
    priors = moves.prior_names(loaded)
    if prepared is not None:
        return walk_ends(loaded.info.config.data, loaded.info.data)
    # Without the dataset, the run can still sample.
    if not priors:
        return "", ""
    request = DrawRequest(prior=priors[0], seed=0, temperature=1.0)
    return draw_name(request, 0), draw_name(request, 1)


def _sliders(loaded: Loaded, prepared: Prepared, units: int, notes: list[str]) -> dict[str, list[Slider]]:
    attributes = moves.attribute_sliders(attribute_directions(loaded, prepared, n=DIRECTION_IMAGES))
    if prepared.attributes and not attributes:
        notes.append("Attributes are unavailable: the codes do not distinguish images with and without them.")
    rates = unit_rates(loaded, prepared.split("test").images[:RATE_IMAGES])
    return {"attributes": attributes, "units": moves.unit_sliders(loaded, rates, units)}


def warm_up(session: Session) -> None:
    """Compiles what moves and draws run, so that the first ones are as fast as the rest."""
    if session.first:
        move = Move(first=session.first, last=session.last, path="linear", degree=0.0)
        session.images(move, [0.0])
    for prior in moves.prior_names(session.loaded):
        session.draws(DrawRequest(prior=prior, seed=0, temperature=1.0))
