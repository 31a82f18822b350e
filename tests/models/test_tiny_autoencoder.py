from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import tiny_config, train_config

from jaxvae import Autoencoder, TinyAutoencoder, UserError, build
from jaxvae.library import fit

SMALL = TinyAutoencoder(
    encoder_channels=4, decoder_channels=6, encoder_blocks=(1, 1, 2), decoder_blocks=(2, 1, 0), latent=3
)


def images(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).uniform(size=shape), jnp.float32)


@pytest.mark.parametrize("shape", [(8, 8, 3), (7, 5, 1), (1, 1, 2)])
@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.slow
def test_codes_are_maps_and_images_of_any_size_and_number_of_channels_come_back(shape, pool):
    vae = build(replace(SMALL, middle_pool=pool), shape)
    params = vae.init(jax.random.key(0))
    posterior = jax.jit(vae.encode)(params, images(2, *shape))
    assert posterior.mean.shape == (2, -(-shape[0] // 4), -(-shape[1] // 4), 3)
    assert jax.jit(vae.decode)(params, posterior.mean).mean.shape == (2, *shape)
    np.testing.assert_array_equal(posterior.log_variance, np.full_like(posterior.mean, -12.0))


def test_codes_far_away_are_squashed_before_they_are_decoded():
    vae = build(SMALL, (8, 8, 3))
    params = vae.init(jax.random.key(0))
    decode = jax.jit(lambda z: vae.decode(params, z).mean)
    z = images(1, 2, 2, 3) - 0.5
    # The limit of 3 tanh(z / 3): 1e4 and 1e3 are the same code.
    np.testing.assert_array_equal(decode(1e4 * jnp.sign(z)), decode(1e3 * jnp.sign(z)))
    assert float(jnp.max(jnp.abs(decode(z) - decode(2.0 * z)))) > 1e-3


def test_bfloat16_computes_nearly_the_same_and_returns_float32():
    vae, rough = (build(replace(SMALL, dtype=dtype), (8, 8, 3)) for dtype in ("float32", "bfloat16"))
    params, x = vae.init(jax.random.key(0)), images(2, 8, 8, 3)
    exact, near = (jax.jit(each.encode)(params, x).mean for each in (vae, rough))
    assert near.dtype == jax.eval_shape(rough.decode, params, near).mean.dtype == jnp.float32
    np.testing.assert_allclose(near, exact, atol=0.05 * float(jnp.max(jnp.abs(exact))))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"encoder_blocks": ()}, "model.encoder_blocks is (), but must be one number for each of 1 to 16 resolutions"),
        ({"decoder_blocks": (1, 1)}, "model.decoder_blocks is (1, 1), but must be one number for each of the 3"),
        ({"encoder_blocks": (1, -1, 1)}, "model.encoder_blocks is (1, -1, 1), but must be numbers of at least 0"),
        ({"decoder_channels": 0}, "model.decoder_channels is 0, but must be at least 1"),
    ],
)
def test_a_wrong_field_is_named(fields, told):
    with pytest.raises(UserError) as caught:
        TinyAutoencoder(**fields)
    assert told in str(caught.value)


@pytest.mark.slow
def test_it_is_trained_as_an_autoencoder(disc_set, tmp_path):
    settings = train_config(steps=30, validate_every=30, mixture_components=0)
    run = fit(tiny_config(model=SMALL, objective=Autoencoder(), train=settings), disc_set, run=tmp_path / "run")
    x = disc_set.split("test").images[:8]
    before = build(SMALL, (16, 16, 3))
    params = before.init(jax.random.key(0))
    untrained = jax.jit(lambda x: before.decode(params, before.encode(params, x).mean).mean)(x / np.float32(255))
    error = np.mean(np.square(run.reconstruct(x) / 255.0 - x / 255.0))
    assert error < 0.5 * np.mean(np.square(np.asarray(untrained) - x / 255.0))
