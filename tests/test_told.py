import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import stirred

from jaxvae import MLP, Conv, FullMixturePrior, build
from jaxvae.told import hide_some, tell, untold, weights_of

MODELS = {
    "conv": Conv(channels=(8, 8), latent=4, attributes=("red", "width"), attribute_values=3),
    "mlp": MLP(hidden=(8,), latent=4, attributes=("red", "width"), attribute_values=3),
    "decoder": MLP(hidden=(8,), latent=4, attributes=("red",), attributes_in_encoder=False),
}


def told_params(vae):
    """Parameters under which what is told has an effect; at first it has none."""
    return stirred(jax.jit(vae.init)(jax.random.key(0)), 0.3)


def test_weights_are_one_hot_over_unknown_and_the_values():
    weights = weights_of(np.asarray([[0, 2], [-1, -5]]), 3)
    assert weights.tolist() == [[[0, 1, 0, 0], [0, 0, 0, 1]], [[1, 0, 0, 0], [1, 0, 0, 0]]]


def test_a_part_of_the_labels_is_hidden_from_none_to_all():
    labels = jnp.tile(jnp.arange(4)[None], (2000, 1))
    hidden = np.asarray(hide_some(jax.random.key(0), labels))
    assert set(np.unique(hidden - np.asarray(labels) * (hidden >= 0))) == {-1, 0}
    known = (hidden >= 0).sum(axis=1)
    shares = np.bincount(known, minlength=5) / len(known)
    # 15 % hide all and 50 % none; of the rest 15 % hide all, and a uniform share shows each number equally often.
    each = 0.35 * 0.85 / 5
    np.testing.assert_allclose(shares, [0.15 + 0.35 * 0.15 + each, each, each, each, 0.5 + each], atol=0.03)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "decoder" else name for name in MODELS]
)
def test_every_function_follows_what_is_told(name):
    vae, x = build(MODELS[name], (16, 16, 3)), jnp.full((2, 16, 16, 3), 0.4)
    vae = vae._replace(encode=jax.jit(vae.encode), decode=jax.jit(vae.decode))
    params, count = told_params(vae), len(vae.attributes)
    one, other = (tell(params, weights_of(np.full((1, count), value), vae.attribute_values)) for value in (0, 1))
    z = jnp.ones((2, 4))
    assert not np.allclose(vae.decode(one, z).mean, vae.decode(other, z).mean)
    assert np.allclose(vae.encode(one, x).mean, vae.encode(other, x).mean) == (name == "decoder")
    assert untold(one) == params
    unknown = tell(params, weights_of(np.full((1, count), -1), vae.attribute_values))
    np.testing.assert_array_equal(vae.decode(unknown, z).mean, vae.decode(params, z).mean)


def test_each_image_is_told_its_own():
    vae, x = build(MODELS["mlp"], (16, 16, 3)), jax.random.uniform(jax.random.key(2), (3, 16, 16, 3))
    params, labels = told_params(vae), np.asarray([[0, 2], [1, -1], [-1, 0]])
    infer = jax.jit(lambda told, keys, x: vae.infer(told, keys, x, 5))
    together = infer(tell(params, weights_of(labels, 3)), jax.random.split(jax.random.key(3), 3), x)
    for row in range(3):
        key = jax.random.split(jax.random.key(3), 3)[row : row + 1]
        alone = infer(tell(params, weights_of(labels[row : row + 1], 3)), key, x[row : row + 1])
        np.testing.assert_allclose(alone.log_weights[:, 0], together.log_weights[:, row], rtol=2e-5)


def test_untrained_it_ignores_what_it_is_told():
    vae = build(MODELS["conv"], (16, 16, 3))
    params, z = vae.init(jax.random.key(0)), jnp.ones((1, 4))
    told = tell(params, weights_of(np.ones((1, 2), int), 3))
    np.testing.assert_array_equal(vae.decode(told, z).mean, vae.decode(params, z).mean)


def test_a_learned_prior_is_that_of_images_of_which_nothing_is_known():
    vae = build(MLP(hidden=(8,), latent=4, attributes=("red",), prior=FullMixturePrior(components=2)), (16, 16, 3))
    params = told_params(vae)
    told = tell(params, weights_of(np.ones((5, 1), int), 2))
    z = jnp.ones((3, 4))
    np.testing.assert_array_equal(vae.prior(told).log_prob(z), vae.prior(params).log_prob(z))
