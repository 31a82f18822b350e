from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import tiny_config, train_config

from jaxvae import KLAutoencoder, UserError, VampPrior, build
from jaxvae.library import load
from jaxvae.reconstruct import reconstruct
from jaxvae.sample import sample
from jaxvae.training.loop import train

SMALL = KLAutoencoder(channels=(4, 8), groups=2, latent=3)


def images(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).uniform(size=shape), jnp.float32)


def encoded(model: KLAutoencoder, x: jax.Array):
    vae = build(model, x.shape[1:])
    params = vae.init(jax.random.key(0))
    return vae, params, jax.jit(vae.encode)(params, x)


@pytest.mark.parametrize("shape", [(8, 8, 3), (7, 5, 1), (1, 1, 2), (6, 9, 5)])
@pytest.mark.slow
def test_codes_are_maps_and_images_of_any_size_and_number_of_channels_come_back(shape):
    vae, params, posterior = encoded(SMALL, images(2, *shape))
    assert posterior.mean.shape == (2, -(-shape[0] // 2), -(-shape[1] // 2), 3)
    likelihood = jax.jit(vae.decode)(params, posterior.mean)
    assert likelihood.mean.shape == (2, *shape)
    assert bool(jnp.all(jnp.isfinite(likelihood.log_prob(images(2, *shape)))))


@pytest.mark.slow
def test_a_side_that_the_stride_does_not_divide_is_continued_with_its_last_pixels():
    x = images(1, 7, 5, 3)
    whole = jnp.pad(x, ((0, 0), (0, 1), (0, 3), (0, 0)), "edge")
    model = replace(SMALL, channels=(4, 8, 8))
    vae, params, posterior = encoded(model, x)
    larger = build(model, (8, 8, 3))
    np.testing.assert_array_equal(posterior.mean, jax.jit(larger.encode)(params, whole).mean)
    both = [jax.jit(each.decode)(params, posterior.mean).mean for each in (vae, larger)]
    np.testing.assert_allclose(both[0], both[1][:, :7, :5], rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_jitted_and_eager_agree():
    x = images(2, 8, 8, 3)
    vae, params, posterior = encoded(SMALL, x)
    eager = vae.encode(params, x)
    np.testing.assert_allclose(eager.mean, posterior.mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(eager.log_variance, posterior.log_variance, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_bfloat16_computes_nearly_the_same_and_keeps_its_heads_in_float32():
    x = images(2, 8, 8, 3)
    _, params, exact = encoded(SMALL, x)
    rough = build(replace(SMALL, dtype="bfloat16"), (8, 8, 3))
    posterior = jax.jit(rough.encode)(params, x)
    assert posterior.mean.dtype == jax.eval_shape(rough.decode, params, posterior.mean).mean.dtype == jnp.float32
    np.testing.assert_allclose(posterior.mean, exact.mean, atol=0.05)
    assert not np.array_equal(posterior.mean, exact.mean)


def test_gradients_of_the_bound_reach_every_parameter():
    x = images(4, 8, 8, 3)
    vae, params, _ = encoded(SMALL, x)

    def loss(params):
        terms = vae.infer(params, jax.random.key(1), x)
        return jnp.mean(terms.kl - terms.log_likelihood)

    gradients = jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(loss))(params))
    # The same number added to all keys leaves the softmax as it is.
    silent = [jax.tree_util.keystr(path) for path, leaf in gradients if float(jnp.max(jnp.abs(leaf))) < 1e-5]
    assert all(name.endswith("['to_k']['bias']") for name in silent), silent
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for _, leaf in gradients)


@pytest.mark.slow
def test_log_variances_are_clipped_to_the_range_of_the_architecture():
    x = images(1, 8, 8, 3)
    model = replace(SMALL, quant_conv=False)
    vae, params, _ = encoded(model, x)
    head = params["encoder"]["conv_out"]
    for sign, bound in ((1.0, 20.0), (-1.0, -30.0)):
        moved = {**params["encoder"], "conv_out": {**head, "bias": jnp.full((6,), sign * 1e4)}}
        posterior = jax.jit(vae.encode)({**params, "encoder": moved}, x)
        np.testing.assert_array_equal(posterior.log_variance, np.full((1, 4, 4, 3), bound))
        assert float(posterior.mean[0, 0, 0, 0]) == pytest.approx(sign * 1e4, rel=1e-2)


def test_the_convolutions_around_the_code_and_the_attention_can_be_omitted():
    bare = replace(SMALL, quant_conv=False, post_quant_conv=False, middle_attention=False)
    full, less = (jax.eval_shape(build(model, (4, 4, 3)).init, jax.random.key(0)) for model in (SMALL, bare))
    assert set(full["encoder"]) - set(less["encoder"]) == {"quant_conv"}
    assert set(full["decoder"]) - set(less["decoder"]) == {"post_quant_conv"}
    assert set(full["encoder"]["mid_block"]) - set(less["encoder"]["mid_block"]) == {"attentions_0"}


def test_the_image_of_the_network_is_mapped_to_pixels_without_squashing():
    vae, params, posterior = encoded(SMALL, images(1, 4, 4, 3))
    last = {"kernel": jnp.zeros_like(params["decoder"]["conv_out"]["kernel"]), "bias": jnp.asarray([-1.0, 0.5, 3.0])}
    mean = jax.jit(vae.decode)({**params, "decoder": {**params["decoder"], "conv_out": last}}, posterior.mean).mean
    np.testing.assert_allclose(mean[0, 0, 0], [0.0, 0.75, 2.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"channels": ()}, "model.channels is (), but must be one or more sizes"),
        ({"groups": 3}, "model.groups is 3, but must be a divisor of each of model.channels, [32, 64, 64]"),
        ({"latent": 0}, "model.latent is 0, but must be at least 1"),
        ({"layers_per_block": 0}, "model.layers_per_block is 0, but must be at least 1"),
        ({"scaling_factor": 0.0}, "model.scaling_factor is 0.0, but must be a number other than 0"),
        ({"latents_mean": (0.0,)}, "model.latents_mean is (0.0,), but must be one number for each of the 4 channels"),
    ],
)
def test_a_wrong_field_is_named(fields, told):
    with pytest.raises(UserError) as caught:
        KLAutoencoder(**fields)
    assert told in str(caught.value)


@pytest.mark.slow
def test_a_run_is_trained_continued_and_opened_by_the_commands(disc_set, call, tmp_path):
    run = tmp_path / "run"
    settings = train_config(
        steps=6, warmup_steps=1, log_every=2, validate_every=3, picture_every=6, mixture_components=2,
        fitted_flow_steps=0,
    )  # fmt: skip
    config = tiny_config(model=replace(SMALL, prior=VampPrior(components=3)), train=settings)
    train(config, disc_set, run)
    opened = load(run)
    assert opened.info.step == 6
    assert opened.encode(disc_set.split("test").images[:2]).shape == (2, 8, 8, 3)
    for command in (reconstruct, sample):
        code, _, err = call(command, run, "--n", 2, "--out", f"{command.__name__}.png")
        assert code == 0, err
        assert Path(f"{command.__name__}.png").exists()
