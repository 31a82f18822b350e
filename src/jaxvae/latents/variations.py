"""Variations of an image under a hierarchy: its coarsest levels kept, the levels below drawn from their priors."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import UInt8

from jaxvae.annotations import PRNGKey
from jaxvae.codes import Code
from jaxvae.data.select import select
from jaxvae.errors import UserError
from jaxvae.inference import decode_to_images, draw, encode_means, stack, unstack
from jaxvae.latents.code_files import saved_code
from jaxvae.runs.run import Loaded
from jaxvae.vae import Prior, code_shape


def check_levels(loaded: Loaded, temperature: Sequence[float], like: str | None, keep: int | None) -> None:
    """Raises `UserError` where the levels of the run are not as many as the options of `sample` take them to be."""
    names, run = loaded.vae.levels, loaded.info.run
    if len(temperature) > 1 and len(temperature) != len(names):
        wanted = f"1 or {len(names)} (levels {', '.join(names)})" if names else "1, since its codes have a single level"
        raise UserError(f"--temperature has {len(temperature)} numbers, but {run} takes {wanted}.")
    if like is not None and not names:
        raise UserError(f"--like is {like}, but the codes of {run} have a single level; it needs a hierarchy.")
    if keep is not None and not 0 <= keep <= len(names):
        raise UserError(
            f"--keep-levels is {keep}, but must be between 0 and {len(names)}: {run} has the levels {', '.join(names)}."
        )


def check_kept(loaded: Loaded, prior: Prior, name: str, kept: Sequence[int]) -> None:
    """Raises `UserError` where a prior draws levels together, of which some are to be kept."""
    together = getattr(prior, "joint", 0)
    if any(0 < keep < together for keep in kept):
        names = ", ".join(loaded.vae.levels[:together])
        raise UserError(
            f"--prior {name} draws the levels {names} together, and cannot draw some of them given the others; use "
            f"--prior model, or --keep-levels 0 or at least {together}."
        )


def code_of(loaded: Loaded, which: str) -> Code:
    """Returns the code of an image or a saved code by name, as the commands take them."""
    vae, params, info = loaded
    saved = saved_code(which, code_shape(vae, params), vae.levels)
    return unstack(encode_means(vae, params, select(which, info.data)[None]))[0] if saved is None else saved


def vary(
    loaded: Loaded, prior: Prior, key: PRNGKey, code: Code, keep: int, count: int, temperature: float | Sequence[float]
) -> UInt8[np.ndarray, "n h w c"]:
    """Decodes a code and `count` variations of it, which share its coarsest `keep` levels.

    Args:
        loaded: The model, a hierarchy.
        prior: What the other levels are drawn from.
        key: For the draws; the same key makes the same draws whatever is kept.
        code: A single code.
        keep: Number of levels.
        count: Number of variations.
        temperature: Multiplies the spread of the draws; one number, or one for each level.
    """
    drawn = jax.device_get(draw(prior, key, temperature, count))
    kept = (np.repeat(np.asarray(level)[None], count, axis=0) for level in code[:keep])
    varied = (*kept, *drawn[keep:])
    whole = jax.tree.map(lambda one, many: np.concatenate([one, many]), stack([code]), varied)
    return decode_to_images(loaded.vae, loaded.params, whole)
