import jax
import numpy as np

from jaxvae.system.quick_compilation import jit_for_one_call


def test_it_computes_what_jit_computes_with_less_optimization():
    def draws(key):
        return jax.random.truncated_normal(key, -2.0, 2.0, (3, 50))

    np.testing.assert_allclose(jit_for_one_call(draws)(jax.random.key(0)), jax.jit(draws)(jax.random.key(0)), rtol=1e-5)
