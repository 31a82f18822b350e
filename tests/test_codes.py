import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvae.codes import flatten, unflatten

CODE = {"a": np.arange(24.0, dtype=np.float32).reshape(2, 3, 2, 2), "b": 100 + np.ones((2, 5), np.float32)}
LIKE = {"a": np.zeros((3, 2, 2)), "b": np.zeros(5)}


def equal(first, second) -> bool:
    return jax.tree.all(jax.tree.map(np.array_equal, first, second))


def test_flatten_and_unflatten_are_inverse_for_any_pytree():
    rows = flatten(CODE)
    assert rows.shape == (2, 17)
    np.testing.assert_array_equal(rows[1], [*range(12, 24), *5 * [101]])
    assert equal(unflatten(rows, LIKE), CODE)


@pytest.mark.parametrize("batch", [(), (3,), (3, 2)])
def test_codes_may_have_any_number_of_leading_batch_axes(batch):
    code = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[0], (*batch, *leaf.shape[1:])), CODE)
    rows = flatten(code, len(batch))
    assert rows.shape == (*batch, 17)
    assert equal(unflatten(rows, LIKE), code)


def test_a_single_array_is_a_valid_code_and_keeps_its_order():
    z = jnp.arange(12.0).reshape(2, 3, 2)
    np.testing.assert_array_equal(flatten(z), np.arange(12.0).reshape(2, 6))
    np.testing.assert_array_equal(unflatten(flatten(z), z[0]), z)
