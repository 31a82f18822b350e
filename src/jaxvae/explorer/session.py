"""One model in the explorer's hands: what was asked for and what it cost to find is kept until others push it out."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.data.prepared import Prepared
from jaxvae.data.select import data_set, walk_ends
from jaxvae.errors import UserError
from jaxvae.explorer import moves
from jaxvae.explorer.ends import End, Uploads, draw_name, find_in_dataset, parse_draw_name
from jaxvae.explorer.moves import Slider
from jaxvae.explorer.requests import DrawRequest, Move
from jaxvae.latents.attributes.directions import attribute_directions
from jaxvae.latents.units.rates import unit_rates
from jaxvae.runs.run import Loaded

CACHED_ENDS, CACHED_PATHS = 64, 32  # How many are kept.


RATE_IMAGES, DIRECTION_IMAGES = (
    1000,
    5000,
)  # Pictures that units are ordered by, and that the attributes are learned from.


class Session(NamedTuple):
    """Functions from what the page asks to what it shows; each raises `UserError` for what there is not.

    `end` finds a picture by its name; `path` the codes between two by the names of both and of the path; `draws` some
    pictures from a prior. `prepared` is None where the data set has gone; `first` and `last` name the pictures to begin
    with; `notes` say what is lacking and why.
    """

    loaded: Loaded
    prepared: Prepared | None
    sliders: dict[str, list[Slider]]
    uploads: Uploads
    end: Callable[[str], End]
    path: Callable[[str, str, str], Float[np.ndarray, "s d"]]
    draws: Callable[[DrawRequest], list[End]]
    first: str
    last: str
    notes: list[str]

    def images(self, move: Move, degrees: list[float]) -> UInt8[np.ndarray, "n h w c"]:
        """The pictures that a move asks for, at these degrees in the place of its own."""
        rows = self.path(move.first, move.last, move.path)
        every = [slider for group in self.sliders.values() for slider in group]
        moved = [moves.apply_sliders(moves.code_at(rows, degree), every, move.amounts) for degree in degrees]
        return moves.decode_rows(self.loaded, np.stack(moved))


def open_session(loaded: Loaded, data: Path | None, units: int) -> Session:
    """The session of a model.

    Args:
        loaded: the model.
        data: the prepared data set, where it is no longer where the run found it.
        units: sliders for so many of them, or as many as a code has.
    """
    info, notes = loaded.info, list[str]()
    try:
        prepared = data_set(info.data, data)
    except UserError as error:
        if data is not None:
            raise
        prepared = None
        notes.append(f"No pictures of the data set, attributes and units here: {error}")
    if prepared is not None:
        info = info._replace(data=prepared.data)
        loaded = loaded._replace(info=info)
    uploads = Uploads(loaded)
    drawer = lru_cache(maxsize=None)(lambda name: moves.build_sampler(loaded, name))
    named_path = lru_cache(maxsize=None)(lambda name: moves.build_named_path(loaded, name))

    @lru_cache(maxsize=CACHED_ENDS)
    def draws(asked: DrawRequest) -> list[End]:
        rows = drawer(asked.prior)(asked.seed, asked.temperature)
        pictures = moves.decode_rows(loaded, rows)
        each = enumerate(zip(pictures, rows, strict=True))
        return [End(draw_name(asked, index), "drawn", picture, row) for index, (picture, row) in each]

    @lru_cache(maxsize=CACHED_ENDS)
    def lasting(name: str) -> End:
        if name.startswith("draw:"):
            asked, index = parse_draw_name(name)
            return draws(asked)[index]
        return find_in_dataset(loaded, name)

    def end(name: str) -> End:
        return uploads.get(name) if name.startswith("upload:") else lasting(name)

    @lru_cache(maxsize=CACHED_PATHS)
    def path(first: str, last: str, name: str) -> Float[np.ndarray, "s d"]:
        return moves.path_rows(loaded, named_path(name), end(first).row, end(last).row)

    first, last = _initial_ends(loaded, prepared)
    sliders = {} if prepared is None else _sliders(loaded, prepared, units, notes)
    return Session(loaded, prepared, sliders, uploads, end, path, draws, first, last, notes)


def _initial_ends(loaded: Loaded, prepared: Prepared | None) -> tuple[str, str]:
    priors = moves.prior_names(loaded)
    if prepared is not None:
        return walk_ends(loaded.info.config.data, loaded.info.data)
    # Nothing but the run: it can still draw.
    if not priors:
        return "", ""
    asked = DrawRequest(prior=priors[0], seed=0, temperature=1.0)
    return draw_name(asked, 0), draw_name(asked, 1)


def _sliders(loaded: Loaded, prepared: Prepared, units: int, notes: list[str]) -> dict[str, list[Slider]]:
    attributes = moves.attribute_sliders(attribute_directions(loaded, prepared, n=DIRECTION_IMAGES))
    if prepared.attributes and not attributes:
        notes.append("No attributes here: the codes do not tell pictures with one from those without.")
    rates = unit_rates(loaded, prepared.split("test").images[:RATE_IMAGES])
    return {"attributes": attributes, "units": moves.unit_sliders(loaded, rates, units)}


def warm_up(session: Session) -> None:
    """Compiles what a move and a draw run through, so that the first is as quick as the others."""
    if session.first:
        move = Move(first=session.first, last=session.last, path="linear", degree=0.0, amounts={})
        session.images(move, [0.0])
    for prior in moves.prior_names(session.loaded):
        session.draws(DrawRequest(prior=prior, seed=0, temperature=1.0))
