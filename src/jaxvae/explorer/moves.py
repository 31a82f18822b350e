"""The explorer's computations: codes as rows, moved by sliders, and decoded. A move costs one decode."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, UInt8

from jaxvae.codes import Code, flatten, unflatten
from jaxvae.errors import UserError, suggest
from jaxvae.inference import decode_to_images, encode_means
from jaxvae.keys import key_for
from jaxvae.latents.attributes.directions import Direction
from jaxvae.latents.attributes.exchange import Exchange
from jaxvae.latents.attributes.request import (
    Request,
    completed,
    params_for,
    parse_request,
    prior_for,
    require_request,
)
from jaxvae.latents.paths.build import build_path
from jaxvae.latents.paths.interpolation import Path
from jaxvae.latents.units.names import unit_groups, unit_names
from jaxvae.latents.units.rates import UnitRates
from jaxvae.runs.run import Loaded, default_prior, prior_of
from jaxvae.vae import code_shape

PATH_STEPS = 100  # Codes per path, computed once for its two ends.
MAX_DEGREE = 2.0  # Range of an attribute slider to either side, in degrees.
MAX_DEVIATIONS = 3.0  # Range of a unit slider to either side, in standard deviations of the codes.
DRAW_SIZE = 12  # Images per draw.

Row = Float[np.ndarray, " d"]


class Slider(NamedTuple):
    """Changes a code [d] to (1 + `amount` · `gain`) code + `amount` · `direction`, `amount` being in [`low`, `high`].

    `key` identifies it in requests; `label` and `note` describe it to people, who see `amount` + `neutral`.
    """

    key: str
    label: str
    note: str
    direction: Row
    low: float
    high: float
    gain: Row | float = 0.0
    neutral: float = 0.0


def unit_sliders(loaded: Loaded, rates: UnitRates, count: int) -> list[Slider]:
    """Returns sliders of the `count` units of highest rate, in standard deviations of the codes in `rates`."""
    names = unit_names(code_shape(loaded.vae, loaded.params), loaded.vae.levels)
    number = "variance {:.3g}" if rates.name == "variance" else "{:.2f} nats"
    return [
        Slider(
            f"unit:{unit}", f"unit {names[unit]}", number.format(rates.values[unit]),
            np.where(np.arange(len(names)) == unit, rates.deviation[unit], 0.0).astype(np.float32),
            -MAX_DEVIATIONS, MAX_DEVIATIONS,
        )
        for unit in rates.order[:count]
    ]  # fmt: skip


def attribute_sliders(directions: Mapping[str, Direction]) -> list[Slider]:
    """Returns a slider per attribute; 1 is the step from the mean without it to the mean with it."""
    rows = {name: _row(direction.vector) for name, direction in directions.items()}
    return [Slider(f"attribute:{name}", name, "", row, -MAX_DEGREE, MAX_DEGREE) for name, row in rows.items()]


def level_sliders(loaded: Loaded) -> list[Slider]:
    """Returns a slider per level of a hierarchy, for how much of the level is kept; the rest is its prior's mean, 0."""
    groups = unit_groups(code_shape(loaded.vae, loaded.params), loaded.vae.levels)
    sliders = []
    for level in loaded.vae.levels:
        gain = np.asarray([group.level == level for group in groups], np.float32)
        note = f"{int(gain.sum())} units"
        sliders.append(Slider(f"level:{level}", level, note, np.zeros_like(gain), -1.0, 0.0, gain, 1.0))
    return sliders


def prior_names(loaded: Loaded) -> list[str]:
    """Returns the priors that can be sampled, that of `sample` first; an autoencoder has only fitted ones."""
    own = ["model"] if loaded.info.config.objective.variational else []
    return sorted([*loaded.info.fitted.kinds, *own], key=lambda name: name != default_prior(loaded))


def path_names(loaded: Loaded) -> list[str]:
    """Returns the names `build_named_path` accepts; paths through a prior's quantiles are `prior:NAME`.

    A prior of the user's may have no such path.
    """
    # Imported here because it imports SciPy, which takes a third of a second.
    from jaxvae.latents.paths.transports import has_transport

    through_priors = [f"prior:{name}" for name in reversed(loaded.info.fitted.kinds)]
    own = ["prior:model"] if "model" in prior_names(loaded) and has_transport(prior_of(loaded, "model")) else []
    return ["linear", "spherical", *through_priors, *own, "geodesic"]


def build_named_path(loaded: Loaded, name: str) -> Path:
    """Builds the path with this name; cache it, since it may hold compiled functions.

    Raises:
        UserError: If the name is not in `path_names`.
    """
    match check_known(name, path_names(loaded), "path").partition(":"):
        case "prior", _, prior:
            return build_path("prior", loaded.vae, loaded.params, prior_of(loaded, prior))
        case ("linear" | "spherical" | "geodesic") as plain, _, _:
            return build_path(plain, loaded.vae, loaded.params)
    raise AssertionError(name)


def code_row(loaded: Loaded, image: UInt8[np.ndarray, "h w c"]) -> Row:
    """Returns the posterior mean of an image."""
    return np.asarray(flatten(encode_means(loaded.vae, loaded.params, image[None])))[0]


def path_rows(loaded: Loaded, path: Path, first: Row, last: Row) -> Float[np.ndarray, "s d"]:
    """Returns the codes of a path at PATH_STEPS + 1 evenly spaced degrees."""
    like = code_shape(loaded.vae, loaded.params)
    start, end = (unflatten(jnp.asarray(row), like) for row in (first, last))
    return np.asarray(flatten(path(start, end, jnp.linspace(0.0, 1.0, PATH_STEPS + 1))))


def code_at(rows: Float[np.ndarray, "s d"], degree: float) -> Row:
    """Returns the code at a degree from 0 to 1, interpolated linearly between rows of `path_rows`."""
    position = degree * PATH_STEPS
    before = min(int(position), PATH_STEPS - 1)
    share = np.float32(position - before)
    return (1 - share) * rows[before] + share * rows[before + 1]


def apply_sliders(row: Row, sliders: Sequence[Slider], amounts: Sequence[tuple[str, float]]) -> Row:
    """Moves a code by the amount of each slider; raises UserError if one is unknown or out of its range.

    What sliders add does not depend on how much of a level another one keeps.
    """
    by_key = {slider.key: slider for slider in sliders}
    chosen = [(by_key[check_known(key, by_key, "slider")], amount) for key, amount in amounts]
    for slider, amount in chosen:
        if not slider.low <= amount <= slider.high:
            low, high = (f"{bound + slider.neutral:g}" for bound in (slider.low, slider.high))
            raise UserError(f"{slider.label} is {amount + slider.neutral:g}, but must be between {low} and {high}.")
    for slider, amount in chosen:
        row = row * (1 + np.float32(amount) * slider.gain)
    for slider, amount in chosen:
        row = row + np.float32(amount) * slider.direction
    return np.asarray(row, np.float32)


def mix_rows(rows: Sequence[Row], weights: Sequence[float]) -> Row:
    """Returns the weighted mean of codes; the weights need not sum to 1."""
    shares = np.asarray(weights, np.float32) / np.float32(sum(weights))
    return np.asarray(shares @ np.stack(rows), np.float32)


def decode_rows(loaded: Loaded, rows: Float[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n h w c"]:
    """Decodes codes to images."""
    like = code_shape(loaded.vae, loaded.params)
    return decode_to_images(loaded.vae, loaded.params, unflatten(jnp.asarray(rows, jnp.float32), like))


def decode_draws(
    loaded: Loaded, rows: Float[np.ndarray, "n d"], wanted: Int[np.ndarray, "n a"]
) -> tuple[UInt8[np.ndarray, "n h w c"], Float[np.ndarray, "n d"]]:
    """Decodes draws to images; returns them, and codes that show them without a request.

    A conditional model decodes its draws under the request. Their codes do not say what was requested, so they are
    encoded anew for what the page does with them next.
    """
    params = params_for(loaded, wanted)
    images = decode_rows(loaded._replace(params=params), rows)
    if params is loaded.params:
        return images, rows
    return images, np.asarray(flatten(encode_means(loaded.vae, loaded.params, images)))


def exchange_row(
    exchange: Exchange, image: UInt8[np.ndarray, "h w c"], row: Row, known: Int[np.ndarray, " a"], request: Request
) -> tuple[UInt8[np.ndarray, "h w c"], Row]:
    """Exchanges attributes of a face; returns the image, and a code that shows it without a request.

    That of a conditional model is the image's, encoded anew, as in `decode_draws`.

    Args:
        exchange: what was learned of it.
        image: the face.
        row: its code.
        known: its attributes, as far as they are known.
        request: those to exchange.
    """
    loaded = exchange.loaded
    if loaded.vae.attributes:
        changed = exchange.images(image[None], known[None], request, np.ones(1))[0, 0]
        return changed, code_row(loaded, changed)
    before, after = exchange.attributes(image[None], known[None], request)
    moved = exchange.moved(row[None].astype(np.float64), before, after, request).astype(np.float32)
    return decode_rows(loaded, moved)[0], moved[0]


def build_sampler(
    loaded: Loaded, name: str
) -> Callable[[int, float, tuple[str, ...]], tuple[Float[np.ndarray, "n d"], Int[np.ndarray, "n a"]]]:
    """Returns a jitted (seed, temperature, wanted) -> DRAW_SIZE codes, smooth in the temperature for a fixed seed.

    `wanted` are requested values of attributes, NAME=VALUE. With the codes it returns the whole request of each.

    Raises:
        UserError: If the prior is not in `prior_names`.
    """
    check_known(name, prior_names(loaded), "prior")
    # Passed as an argument because parameters compiled in as constants compile slowly.
    draw = jax.jit(lambda prior, key, temperature: flatten(prior.sample(key, (DRAW_SIZE,), temperature)))

    def sample(
        seed: int, temperature: float, wanted: tuple[str, ...] = ()
    ) -> tuple[Float[np.ndarray, "n d"], Int[np.ndarray, "n a"]]:
        request = parse_request(loaded.info.data, wanted)
        require_request(loaded, name, request)
        labels = completed(loaded, request, DRAW_SIZE, seed)
        chosen = prior_for(loaded, name, request, labels=labels)
        return np.asarray(draw(chosen, key_for("explore", seed), jnp.float32(temperature))), labels

    return sample


def check_known(name: str, known: Mapping[str, Slider] | Sequence[str], kind: str) -> str:
    """Returns the name if it is known; otherwise raises UserError with the closest matches."""
    if name not in known:
        raise UserError(f"unknown {kind} {name!r}: {suggest(name, known)}")
    return name


def _row(code: Code) -> Row:
    return np.asarray(flatten(jax.tree.map(lambda leaf: leaf[None], code)))[0]
