import jax
import numpy as np
import pytest
from conftest import DENSE, tiny_config, untrained

from jaxvae import inference
from jaxvae.errors import UserError
from jaxvae.inference import code_rows, decode_to_images, draw, posterior_batches, posteriors, sample_images


def test_every_image_has_its_own_posterior_in_order(disc_set):
    vae, params, _ = untrained(tiny_config(model=DENSE), disc_set)
    images = disc_set.split("train").images[:70]
    whole = jax.jit(vae.encode)(params, images / np.float32(255))
    assert [len(batch.mean) for batch in posterior_batches(vae, params, images)] == [64, 6]
    np.testing.assert_allclose(posteriors(vae, params, images).mean, whole.mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(posteriors(vae, params, images).log_variance, whole.log_variance, rtol=1e-4, atol=1e-6)


def test_non_finite_codes_are_counted(disc_set):
    vae, params, _ = untrained(tiny_config(model=DENSE), disc_set)
    damaged = jax.tree.map(lambda leaf: leaf * np.nan, params)
    with pytest.raises(UserError, match="the codes of 5 of 5 images are not finite"):
        code_rows(vae, damaged, disc_set.split("test").images[:5])


def test_many_samples_are_drawn_a_part_at_a_time(disc_set, monkeypatch):
    vae, params, _ = untrained(tiny_config(model=DENSE), disc_set)
    prior, key = vae.prior(params), jax.random.key(3)
    whole = decode_to_images(vae, params, draw(prior, jax.random.clone(key), 1.0, 7))
    np.testing.assert_array_equal(sample_images(vae, params, prior, jax.random.clone(key), 7), whole)
    drawn = []
    monkeypatch.setattr(inference, "DRAWN_AT_ONCE", 3)
    monkeypatch.setattr(inference, "draw", lambda *given: drawn.append(given[-1]) or draw(*given))
    parts = sample_images(vae, params, prior, key, 7)
    assert drawn == [3, 3, 1]
    assert parts.shape == whole.shape
    assert len({image.tobytes() for image in parts}) == 7
