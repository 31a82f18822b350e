import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxvae.evaluation.activations import AT_ONCE, largest_activation

X = np.asarray([[1.0, -3.0], [2.0, 0.5]], np.float32)


def test_products_and_sums_count_and_what_lies_between_does_not():
    # The product is 10 x; its square, 900 at most, and the sum with a number are no activations.
    assert largest_activation(lambda x: (x @ (10.0 * jnp.eye(2))) ** 2 + 1e6, X) == 30.0
    assert largest_activation(lambda x: x @ jnp.eye(2) + jnp.full(x.shape, 50.0), X) == 52.0


@pytest.mark.parametrize("call", [jax.jit, jax.checkpoint, jax.named_call])
def test_functions_inside_are_looked_into(call):
    def layer(x):
        return jnp.tanh(x @ (1000.0 * jnp.eye(2)))

    assert largest_activation(lambda x: call(layer)(x) @ jnp.eye(2), X) == 3000.0


def test_functions_with_gradients_of_their_own_are_looked_into():
    def layer(x):
        return jnp.tanh(x @ (1000.0 * jnp.eye(2)))

    forward, backward = jax.custom_jvp(layer), jax.custom_vjp(layer)
    forward.defjvp(lambda x, dx: (layer(*x), dx[0]))
    backward.defvjp(lambda x: (layer(x), x), lambda x, cotangent: (cotangent,))
    assert largest_activation(forward, X) == largest_activation(backward, X) == 3000.0


def test_branches_and_loops_count_by_their_results():
    def branch(x):
        return lax.cond(jnp.sum(x) > 0, lambda x: 7.0 * x, lambda x: x, x)

    def loop(x):
        return lax.scan(lambda carry, _: (2.0 * carry, None), x, length=3)[0]

    assert largest_activation(branch, X) == 21.0
    assert largest_activation(loop, X) == 24.0


def test_every_image_counts_once_they_are_many():
    x = np.zeros((3 * AT_ONCE + 1, 2), np.float32)
    x[-1, 1] = -9.0
    assert largest_activation(lambda x: x @ jnp.eye(2), x) == 9.0


def test_codes_of_several_arrays():
    assert largest_activation(lambda z: z["a"] + z["b"], {"a": X, "b": 2.0 * X}) == 9.0
