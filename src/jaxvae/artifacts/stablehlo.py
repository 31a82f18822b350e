"""The encoder or decoder as StableHLO, in the container of `jax.export`, which any program with JAX opens."""

import jax
from jax import export

from jaxvae.artifacts.parts import Part, trace

PLATFORMS = ("cpu", "cuda", "tpu")  # One file serves all of them.


def to_stablehlo(part: Part, kind: str) -> bytes:
    """Returns a part with its parameters, for batches of any size on any platform; raises as `trace`."""
    traced, _ = trace(part, kind)
    return bytes(export.export(jax.jit(part.call), platforms=PLATFORMS)(*traced.in_avals[0]).serialize())
