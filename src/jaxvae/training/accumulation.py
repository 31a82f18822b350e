"""Gradients of a batch computed in parts: memory for one part, one exchange between devices for all of them."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, PartitionSpec

REPLICATED, SHARDED = PartitionSpec(), PartitionSpec("batch")


def accumulate_gradients(gradient: Any, parts: int, mesh: Mesh | None) -> Any:
    """The function (params, key, x, step) -> ((mean, aux [b, ...]), gradients), in so many parts on each device.

    Args:
        gradient: `jax.value_and_grad` with an auxiliary result [b, ...] of a function of the same arguments that is a
            mean over the examples of x.
        parts: into how many the share of each device is cut, one after the other.
        mesh: the devices; each has a share of x along the axis "batch".

    Each example's noise comes from a key of its own, so that it is the same however the batch is cut.
    """
    if mesh is None:
        raise ValueError("a batch that is computed in parts needs the mesh of the devices that share it")
    # Inside a loop XLA's CPU backend would run convolutions several times slower.
    unroll = parts if mesh.devices.flat[0].platform == "cpu" else 1

    def of_share(params: Any, keys: Array, x: Array, step: Array) -> Any:
        def add(total: Any, part: tuple[Array, Array]) -> tuple[Any, Any]:
            (value, aux), gradients = gradient(params, *part, step)
            return jax.tree.map(jnp.add, total, (value, gradients)), aux

        cut = jax.tree.map(lambda leaf: leaf.reshape(parts, -1, *leaf.shape[1:]), (keys, x))
        nothing = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
        total, aux = jax.lax.scan(add, nothing, cut, unroll=unroll)
        value, gradients = jax.tree.map(lambda each: jax.lax.pmean(each / parts, "batch"), total)
        return (value, jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), aux)), gradients

    # Unchecked: with the check JAX would add the gradients up over the devices in every part.
    shared = jax.shard_map(
        of_share, mesh=mesh, check_vma=False,
        in_specs=(REPLICATED, SHARDED, SHARDED, REPLICATED), out_specs=((REPLICATED, SHARDED), REPLICATED),
    )  # fmt: skip

    def whole(params: Any, key: Array, x: Array, step: Array) -> Any:
        return shared(params, jax.random.split(key, len(x)), x, step)

    return whole
