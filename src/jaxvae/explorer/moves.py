"""What the explorer computes: codes as rows, moved by sliders, and their pictures. A move costs one decode."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.codes import Code, flatten, unflatten
from jaxvae.errors import UserError, suggest
from jaxvae.inference import codes, decoded
from jaxvae.latents.attributes.directions import Direction
from jaxvae.latents.paths.build import build_path
from jaxvae.latents.paths.interpolation import Path
from jaxvae.latents.units.names import unit_names
from jaxvae.latents.units.rates import UnitRates
from jaxvae.runs.run import Loaded, prior_of
from jaxvae.vae import code_shape

STEPS = 100  # Of a path, whose codes are found once for its two ends.


FARTHEST = 2.0  # Degrees of an attribute that its slider goes to either side.


REACH = 3.0  # Standard deviations of the codes that the slider of a unit goes to either side.


DRAWN = 12  # Pictures of a draw.

Row = Float[np.ndarray, " d"]


class Slider(NamedTuple):
    """Adds `amount` times `direction` [d] to a code; 0 leaves it, and the ends of the slider are `low` and `high`.

    `key` names it in requests, `label` and `note` say to people what it is.
    """

    key: str
    label: str
    note: str
    direction: Row
    low: float
    high: float


def unit_sliders(loaded: Loaded, rates: UnitRates, count: int) -> list[Slider]:
    """One for each of the units with the largest rate, in standard deviations of the codes that the rates are of."""
    names = unit_names(code_shape(loaded.vae, loaded.params))
    number = "variance {:.3g}" if rates.name == "variance" else "{:.2f} nats"
    return [
        Slider(
            f"unit:{unit}", f"unit {names[unit]}", number.format(rates.values[unit]),
            np.where(np.arange(len(names)) == unit, np.std(rates.mean[:, unit]), 0.0).astype(np.float32), -REACH, REACH,
        )
        for unit in rates.order[:count]
    ]  # fmt: skip


def attribute_sliders(directions: Mapping[str, Direction]) -> list[Slider]:
    """One for each attribute; 1 is the step from the mean of the codes without it to the mean of those with it."""
    rows = {name: _row(each.vector) for name, each in directions.items()}
    return [Slider(f"attribute:{name}", name, "", row, -FARTHEST, FARTHEST) for name, row in rows.items()]


def prior_names(loaded: Loaded) -> list[str]:
    """The priors that there are to draw from, the fitted ones first; an autoencoder has none but these."""
    own = [] if not loaded.info.config.objective.variational else ["model"]
    return [*loaded.info.fitted.kinds, *own]


def path_names(loaded: Loaded) -> list[str]:
    """What `path_of` knows: paths by name, those through the quantiles of a prior as `prior:` and its name."""
    through_priors = [f"prior:{name}" for name in reversed(loaded.info.fitted.kinds)]
    own = [f"prior:{name}" for name in prior_names(loaded) if name == "model"]
    return ["linear", "spherical", *through_priors, *own, "geodesic"]


def path_of(loaded: Loaded, name: str) -> Path:
    """The path of this name; keep it, for it may compile something of its own.

    Raises `UserError` for a name that is not in `path_names`.
    """
    match require(name, path_names(loaded), "path").partition(":"):
        case "prior", _, prior:
            return build_path("prior", loaded.vae, loaded.params, prior_of(loaded, prior))
        case ("linear" | "spherical" | "geodesic") as plain, _, _:
            return build_path(plain, loaded.vae, loaded.params)
    raise AssertionError(name)


def code_row(loaded: Loaded, picture: UInt8[np.ndarray, "h w c"]) -> Row:
    """The posterior mean of a picture."""
    return np.asarray(flatten(codes(loaded.vae, loaded.params, picture[None])))[0]


def path_rows(loaded: Loaded, path: Path, first: Row, last: Row) -> Float[np.ndarray, "s d"]:
    """The codes of a path at STEPS + 1 evenly spaced degrees."""
    like = code_shape(loaded.vae, loaded.params)
    start, end = (unflatten(jnp.asarray(row), like) for row in (first, last))
    return np.asarray(flatten(path(start, end, jnp.linspace(0.0, 1.0, STEPS + 1))))


def at(rows: Float[np.ndarray, "s d"], degree: float) -> Row:
    """The code at a degree from 0 to 1 of a path, straight between the two of `path_rows` that it lies between."""
    place = degree * STEPS
    before = min(int(place), STEPS - 1)
    share = np.float32(place - before)
    return (1 - share) * rows[before] + share * rows[before + 1]


def nudged(row: Row, sliders: Sequence[Slider], amounts: Mapping[str, float]) -> Row:
    """A code moved by the amount of each slider that is named; `UserError` for an unknown one."""
    by_key = {slider.key: slider for slider in sliders}
    for key, amount in amounts.items():
        row = row + np.float32(amount) * by_key[require(key, by_key, "slider")].direction
    return row


def shown(loaded: Loaded, rows: Float[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n h w c"]:
    """The pictures of codes."""
    like = code_shape(loaded.vae, loaded.params)
    return decoded(loaded.vae, loaded.params, unflatten(jnp.asarray(rows, jnp.float32), like))


def drawer(loaded: Loaded, name: str) -> Callable[[int, float], Float[np.ndarray, "n d"]]:
    """(seed, temperature) -> DRAWN codes from a prior, jitted; those of one seed move smoothly with the temperature.

    Raises `UserError` for a prior that is not in `prior_names`.
    """
    prior = prior_of(loaded, require(name, prior_names(loaded), "prior"))
    # As an argument, since parameters that a compiled function holds as constants take long to compile.
    draw = jax.jit(lambda prior, key, temperature: flatten(prior.sample(key, (DRAWN,), temperature)))
    return lambda seed, temperature: np.asarray(draw(prior, jax.random.key(seed), jnp.float32(temperature)))


def require(name: str, known: Mapping[str, Slider] | Sequence[str], what: str) -> str:
    """The name, if it is known; else a `UserError` that says which may have been meant."""
    if name not in known:
        raise UserError(f"there is no {what} {name!r}: {suggest(name, known)}")
    return name


def _row(code: Code) -> Row:
    return np.asarray(flatten(jax.tree.map(lambda leaf: leaf[None], code)))[0]
