"""The two functions of a model that are exported, with names and meanings for what goes in and comes out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, export
from jax.stages import Traced

from jaxvae.errors import UserError
from jaxvae.models import build
from jaxvae.runs.run import Loaded
from jaxvae.vae import VAE, code_shape

BATCH = "b"  # The axis of images, of which there may be any number.


class Port(NamedTuple):
    """A float32 array [b, *shape] that goes into a part or comes out of it."""

    name: str
    shape: tuple[int, ...]
    meaning: str


class Part(NamedTuple):
    """The encoder or the decoder: `call` maps arrays, one for each of `inputs`, to arrays by the names of `outputs`."""

    name: str
    call: Callable[..., dict[str, Array]]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def parts_of(loaded: Loaded) -> tuple[Part, Part]:
    """Returns the encoder and the decoder of a model, its parameters among the constants.

    A model that computes in bfloat16 is exported in float32, which every runtime has.
    """
    vae, params, info = loaded
    if getattr(info.config.model, "dtype", "float32") != "float32":
        vae = build(replace(info.config.model, dtype="float32"), info.shape)  # type: ignore[call-arg]
    leaves, structure = jax.tree.flatten(code_shape(vae, params))
    suffixes = _suffixes(vae, len(leaves))
    images = Port("images", info.shape, "images, from 0 (black) to 1")
    moments = {"mean": "mean of q(z|x), the code of an image"}
    if info.config.objective.variational and hasattr(_posterior_shape(vae, params, info.shape), "log_variance"):
        moments["log_variance"] = "logarithm of the variance of q(z|x), unit by unit"

    def encode(x: Array) -> dict[str, Array]:
        posterior = vae.encode(params, x)
        named = {moment: jax.tree.leaves(getattr(posterior, moment)) for moment in moments}
        return {f"{moment}{suffix}": each[i] for moment, each in named.items() for i, suffix in enumerate(suffixes)}

    def decode(*codes: Array) -> dict[str, Array]:
        mean = vae.decode(params, jax.tree.unflatten(structure, codes)).mean
        return {"images": jnp.clip(jnp.asarray(mean, jnp.float32), 0.0, 1.0)}

    def ports(name: str, meaning: str) -> tuple[Port, ...]:
        of_level = [f", of level {level}" for level in vae.levels] or [""] * len(leaves)
        return tuple(
            Port(f"{name}{suffix}", leaf.shape, meaning + level)
            for suffix, leaf, level in zip(suffixes, leaves, of_level, strict=True)
        )

    found = tuple(port for name, meaning in moments.items() for port in ports(name, meaning))
    shown = images._replace(meaning="mean of p(x|z), clipped to the range of pixels, from 0 (black) to 1")
    code = "code; those of a hierarchy are in units of the prior, N(0, I)" if vae.levels else "code"
    return Part("encoder", encode, (images,), found), Part("decoder", decode, ports("z", code), (shown,))


def _posterior_shape(vae: VAE, params: Any, shape: tuple[int, int, int]) -> Any:
    return jax.eval_shape(vae.encode, params, jax.ShapeDtypeStruct((1, *shape), jnp.float32))


def _suffixes(vae: VAE, leaves: int) -> list[str]:
    """Returns what tells the arrays of a code apart: nothing if there is one, or the names of its levels."""
    if vae.levels:
        return [f"_{level}" for level in vae.levels]
    return [""] if leaves == 1 else [f"_{index}" for index in range(leaves)]


def trace(part: Part, kind: str) -> tuple[Traced, Any]:
    """Returns a part traced for batches of any size, and the symbol that stands for the size.

    Args:
        part: the encoder or decoder.
        kind: of the model, for the message.

    Raises:
        UserError: a model of the user's own needs to know the size.
    """
    (batch,) = export.symbolic_shape(BATCH)
    shapes = [jax.ShapeDtypeStruct((batch, *port.shape), jnp.float32) for port in part.inputs]
    try:
        return jax.jit(part.call).trace(*shapes), batch
    except (TypeError, ValueError, NotImplementedError, jax.errors.InconclusiveDimensionOperation) as error:
        what = " ".join(str(error).split())[:200]
        raise UserError(
            f"the {part.name} of a model of kind {kind!r} cannot be exported for batches of any size: {what}"
        ) from error
