import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxvae.networks.shares import BATCH
from jaxvae.networks.strided_convolution import conv_transpose, convolve


@pytest.mark.parametrize("channels", [3, 8, 64, 72])
@pytest.mark.parametrize("layer", [convolve, conv_transpose])
def test_the_gradient_of_a_kernel_is_the_same_on_several_devices(layer, channels):
    random = np.random.default_rng(0)
    x = random.normal(size=(8, 4, 4, channels)).astype(np.float32)
    kernel = random.normal(size=(4, 4, channels, channels)).astype(np.float32)
    gradient = jax.grad(lambda kernel, x: jnp.sum(jnp.square(layer(x, kernel))))
    alone = jax.jit(gradient)(kernel, x)
    mesh = Mesh(np.asarray(jax.devices()[:2]), (BATCH,), axis_types=(AxisType.Auto,))
    whole, split = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), (BATCH,)))
    with jax.set_mesh(mesh):
        shared = jax.jit(gradient, out_shardings=whole)(jax.device_put(kernel, whole), jax.device_put(x, split))
    np.testing.assert_allclose(shared, alone, rtol=1e-4, atol=1e-5 * np.abs(alone).max())
