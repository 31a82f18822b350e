import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import tiny_config, train_config
from parity.comparison import FIXTURES
from safetensors.numpy import load_file

from jaxvae import Adversarial, UserError, VQAutoencoder, build
from jaxvae.interchange import export_model, import_model
from jaxvae.library import fit
from jaxvae.networks.vq_autoencoder import nearest, quantize

SMALL = VQAutoencoder(channels=(2, 2), groups=1, latent=3, inner_channels=5, codebook_size=6, middle_attention=False)
TUNED = {"freeze": ("encoder", "codebook"), "fitted_flow_steps": 0, "mixture_components": 0}


def draws(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def test_each_position_is_rounded_to_the_nearest_vector():
    codebook, z = draws(7, 3), draws(2, 4, 5, 3, seed=1)
    distances = np.linalg.norm(np.asarray(z)[..., None, :] - np.asarray(codebook), axis=-1)
    np.testing.assert_array_equal(nearest(codebook, z), distances.argmin(axis=-1))
    rounded = jax.jit(quantize)(codebook, z)
    np.testing.assert_allclose(rounded, np.asarray(codebook)[distances.argmin(axis=-1)], atol=1e-6)
    np.testing.assert_allclose(quantize(codebook, rounded), rounded, atol=1e-6)


def test_gradients_pass_through_the_rounding_and_do_not_reach_the_codebook():
    codebook, z, weights = draws(7, 3), draws(1, 2, 2, 3, seed=1), draws(1, 2, 2, 3, seed=2)
    to_codebook, to_z = jax.grad(lambda *each: jnp.sum(weights * quantize(*each)), argnums=(0, 1))(codebook, z)
    np.testing.assert_array_equal(to_z, weights)
    np.testing.assert_array_equal(to_codebook, np.zeros_like(codebook))


@pytest.mark.slow
def test_codes_are_maps_before_rounding_and_decode_alike_after_it():
    vae = build(SMALL, (7, 5, 3))
    params = jax.jit(vae.init)(jax.random.key(0))
    assert set(params) == {"encoder", "decoder", "codebook", "likelihood", "prior"}
    assert params["codebook"]["embedding"].shape == (6, 3)
    assert jax.eval_shape(vae.encode, params, jnp.ones((2, 7, 5, 3))).mean.shape == (2, 4, 3, 3)
    z = draws(2, 4, 3, 3)
    both = jnp.concatenate([z, quantize(params["codebook"]["embedding"], z)])
    images = jax.jit(lambda z: vae.decode(params, z).mean)(both)
    assert images.shape == (4, 7, 5, 3)
    np.testing.assert_allclose(images[:2], images[2:], atol=1e-5)


@pytest.mark.parametrize(
    ("model", "freeze", "told"),
    [
        (SMALL, ("encoder", "codebook"), "'vq_autoencoder' cannot be trained from scratch: .* --model.from RUN tunes"),
        (VQAutoencoder(start_from="runs/a"), ("encoder",), "must name encoder and codebook .* add --train.freeze enc"),
        (VQAutoencoder(start_from="runs/a"), (), r"train.freeze is \[\], but must name encoder and codebook"),
    ],
)
def test_what_no_objective_trains_is_refused_before_anything_is_written(model, freeze, told, disc_set, tmp_path):
    with pytest.raises(UserError, match=told):
        fit(tiny_config(model=model, train=train_config(freeze=freeze)), disc_set, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"codebook_size": 0}, "model.codebook_size is 0, but must be at least 1"),
        ({"inner_channels": 0}, "model.inner_channels is 0, but must be at least 1"),
        ({"groups": 3}, "model.groups is 3, but must be a divisor of each of model.channels"),
    ],
)
def test_a_wrong_field_is_named(fields, told):
    with pytest.raises(UserError, match=told):
        VQAutoencoder(**fields)


@pytest.mark.slow
def test_the_decoder_is_tuned_and_the_rest_goes_back_byte_for_byte(disc_set, tmp_path):
    run = import_model(FIXTURES / "vq", tmp_path / "run", size=(16,))
    settings = train_config(steps=3, batch_size=8, weight_decay=0.1, ema_decay=0.9, warmup_steps=0, **TUNED)
    fields = {"channels": (2, 4), "groups": 2, "inner_channels": 3, "codebook_size": 16, "scaling_factor": 0.5}
    objective = Adversarial(reconstruction="l1", start=1, discriminator_width=8)
    model = VQAutoencoder(**fields, start_from=str(run))
    tuned = fit(tiny_config(model=model, train=settings, objective=objective), disc_set, run=tmp_path / "tuned")
    file = "diffusion_pytorch_model.safetensors"
    back = load_file(export_model(tuned.info.run, tmp_path / "back") / file)
    before = load_file(FIXTURES / "vq" / file)
    kept = {name for name in before if back[name].tobytes() == before[name].tobytes()}
    assert kept == {name for name in before if name.startswith(("encoder.", "quant_conv.", "quantize."))}
