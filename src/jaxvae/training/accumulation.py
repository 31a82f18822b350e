"""Gradient accumulation over microbatches: memory for one microbatch, one all-reduce per batch."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, PartitionSpec

from jaxvae.annotations import PRNGKey, Tree
from jaxvae.networks.loops import one_after_another
from jaxvae.networks.shares import BATCH

REPLICATED, SHARDED = PartitionSpec(), PartitionSpec(BATCH)


def accumulate_gradients(gradient: Any, parts: int, mesh: Mesh | None) -> Any:
    """Returns the function (params, key, x, given) -> ((mean, aux [b, ...]), gradients), computed in microbatches.

    x is a pytree of arrays [b, ...]; `given` is whatever else the function depends on, the same for every example.

    Each example's noise comes from its own key, so it does not depend on how the batch is divided.

    Args:
        gradient: `jax.value_and_grad`, with an auxiliary result [b, ...], of a function of the same arguments that is
            a mean over the examples of x.
        parts: number of microbatches per device, processed one after the other.
        mesh: the devices; x is sharded along its axis "batch".
    """
    if mesh is None:
        raise ValueError("gradient accumulation requires a mesh, but mesh is None")

    def gradient_on_device(params: Tree, keys: Array, x: Tree, given: Tree) -> Any:
        def add(total: Any, microbatch: tuple[Array, Tree]) -> tuple[Any, Any]:
            (value, aux), gradients = gradient(params, *microbatch, given)
            return jax.tree.map(jnp.add, total, (value, gradients)), aux

        microbatches = jax.tree.map(lambda leaf: leaf.reshape(parts, -1, *leaf.shape[1:]), (keys, x))
        zeros = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
        total, aux = one_after_another(add, zeros, microbatches)
        value, gradients = jax.tree.map(lambda leaf: jax.lax.pmean(leaf / parts, BATCH), total)
        return (value, jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), aux)), gradients

    # check_vma=False: with the check JAX would all-reduce the gradients in every microbatch.
    sharded = jax.shard_map(
        gradient_on_device, mesh=mesh, check_vma=False,
        in_specs=(REPLICATED, SHARDED, SHARDED, REPLICATED), out_specs=((REPLICATED, SHARDED), REPLICATED),
    )  # fmt: skip

    def accumulated_gradient(params: Tree, key: PRNGKey, x: Tree, given: Tree) -> Any:
        return sharded(params, jax.random.split(key, len(jax.tree.leaves(x)[0])), x, given)

    return accumulated_gradient
