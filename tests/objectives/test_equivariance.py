import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvae import HVAE, MLP, Adversarial, Config, Conv, KLAutoencoder, TinyAutoencoder, UserError
from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.models import build
from jaxvae.objectives.equivariance import OBLONG, SQUARE, check_map, equivariance_error, move, shrink
from jaxvae.objectives.reconstruction import error_of
from jaxvae.vae import compose

X = jnp.asarray(np.random.default_rng(0).uniform(size=(3, 8, 8, 2)), jnp.float32)
COARSE = shrink(X, 2)


def grown(z):
    return jnp.repeat(jnp.repeat(z, 2, axis=1), 2, axis=2)


def toy(mask=None, resizable=True):
    """Codes are means of 2x2 pixels, and decoded as such; with a mask the decoder darkens some positions."""

    def decode(params, z):
        dark = 1.0 if mask is None else jnp.broadcast_to(mask[None, : z.shape[1], : z.shape[2], None], z.shape)
        mean = grown(z * dark)
        return Normal(mean, jnp.zeros_like(mean), 3)

    def encode(params, x):
        mean = shrink(x, 2)
        return Normal(mean, jnp.full_like(mean, -40.0), 3)

    vae = compose(lambda key: {}, encode, decode, lambda params: standard_normal((4, 4, 2)))
    return vae._replace(resized=lambda height, width: vae) if resizable else vae


def test_motions_are_those_of_numpy_and_all_different():
    seen = [np.asarray(move(X, number)) for number in range(8)]
    for (quarters, flip), moved in zip(SQUARE, seen, strict=True):
        flipped = np.asarray(X)[:, :, ::-1] if flip else np.asarray(X)
        np.testing.assert_array_equal(moved, np.rot90(flipped, quarters, axes=(1, 2)))
    assert len({moved.tobytes() for moved in seen}) == 8
    np.testing.assert_array_equal(seen[0], X)
    wide = X[:, :4]
    assert {move(wide, number).shape for number in range(len(OBLONG))} == {wide.shape}
    assert len({np.asarray(move(wide, number)).tobytes() for number in range(4)}) == 4


def test_shrinking_takes_means_of_blocks():
    np.testing.assert_allclose(COARSE[1, 2, 3, 0], np.mean(X[1, 4:6, 6:8, 0]), rtol=1e-6)


@pytest.mark.parametrize("halvings", [0, 1, 2])
def test_a_code_that_moves_with_the_image_costs_no_more_than_its_reconstruction(halvings):
    """Images that the toy reconstructs perfectly, at every size."""
    x = jnp.asarray(np.random.default_rng(1).uniform(size=(3, 1, 1, 2)), jnp.float32) * jnp.ones((3, 8, 8, 2))
    vae, errors = toy(), jax.jit(partial(equivariance_error, toy(), error="l1", halvings=halvings))
    for seed in range(6):
        np.testing.assert_allclose(errors({}, jax.random.key(seed), vae.encode({}, x).mean, x), 0.0, atol=1e-4)


@pytest.mark.slow
def test_the_error_is_that_of_one_motion_per_size_and_never_of_the_identity():
    mask = jnp.asarray(np.random.default_rng(2).uniform(size=(4, 4)), jnp.float32)
    vae, z = toy(mask), COARSE
    whole = [error_of(vae.decode({}, move(z, each)), move(X, each), "l1") for each in range(8)]
    halved = [error_of(vae.decode({}, shrink(move(z, each), 2)), shrink(move(X, each), 2), "l1") for each in range(8)]
    # Seven motions at the whole size and eight at half of it are equally likely.
    pairs = itertools.product(range(8), range(8))
    expected = {(large, small): np.asarray(7 * whole[large] + 32 * halved[small]) / 15 for large, small in pairs}
    errors, met = jax.jit(partial(equivariance_error, vae, error="l1", halvings=1)), set()
    for seed in range(60):
        measured = errors({}, jax.random.key(seed), z, X)
        (motions,) = (each for each, error in expected.items() if np.allclose(error, measured, rtol=1e-5))
        met.add(motions)
    assert {large for large, _ in met} == set(range(1, 8))
    assert {small for _, small in met} == set(range(8))


def test_one_key_per_example_moves_all_alike():
    keys = jax.random.split(jax.random.key(1), 3)
    measured = equivariance_error(toy(X[0, :4, :4, 0]), {}, keys, COARSE, X, error="l1", halvings=1)
    key = jax.random.clone(keys)[0]
    first = equivariance_error(toy(X[0, :4, :4, 0]), {}, key, COARSE, X, error="l1", halvings=1)
    np.testing.assert_array_equal(measured, first)


@pytest.mark.parametrize(
    ("z", "halvings", "told"),
    [
        (jnp.zeros((3, 5)), 0, "codes of this model are not maps"),
        ((jnp.zeros((3, 4, 4, 1)),), 0, "codes of this model are not maps"),
        (jnp.zeros((3, 3, 3, 1)), 0, "a code of 3 x 3 positions covers more than an image of 8 x 8 pixels"),
        (jnp.zeros((3, 4, 4, 1)), 3, "equivariance_halvings is 3, but 8 does not divide codes of 4 x 4 positions"),
    ],
)
def test_codes_that_do_not_move_with_their_images_are_refused(z, halvings, told):
    with pytest.raises(UserError, match=told):
        check_map(toy(), z, X, halvings)


def test_a_model_of_one_size_turns_and_flips_only():
    check_map(toy(resizable=False), COARSE, X, 0)
    with pytest.raises(UserError, match="equivariance_halvings is 1, but this model decodes codes of one size only"):
        check_map(toy(resizable=False), COARSE, X, 1)


@pytest.mark.parametrize("model", [MLP(), Conv(), HVAE()])
def test_models_without_maps_are_refused_with_their_config(model):
    with pytest.raises(UserError, match=r"objective.equivariance is 0.5, but must be 0, since codes of model"):
        Config(model=model, objective=Adversarial(equivariance=0.5))
    for spatial in (Conv(latent_kind="spatial"), KLAutoencoder(), TinyAutoencoder()):
        assert Config(model=spatial, objective=Adversarial(equivariance=0.5)).model == spatial


@pytest.mark.slow
def test_the_same_parameters_serve_images_of_another_size():
    model = KLAutoencoder(channels=(8, 8), groups=4, latent=2)
    vae = build(model, (16, 16, 3))
    small, wanted = vae.resized(8, 8), build(model, (8, 8, 3))
    params = jax.jit(vae.init)(jax.random.key(0))
    z = jnp.ones((1, 4, 4, 2))
    np.testing.assert_array_equal(small.decode(params, z).mean, wanted.decode(params, z).mean)


@pytest.mark.slow
def test_gradients_reach_encoder_and_decoder_and_the_weight_enters_the_value():
    model = KLAutoencoder(channels=(8, 8), groups=4, latent=2)
    vae = build(model, (8, 8, 2))
    params = jax.jit(vae.init)(jax.random.key(0))
    objective = Adversarial(equivariance=0.5, adversarial=0.0, beta=0.0).build(10)
    plain = Adversarial(adversarial=0.0, beta=0.0).build(10)

    @jax.jit
    @partial(jax.value_and_grad, has_aux=True)
    def gradient(params, key):
        terms = objective.terms(vae, params, key, X)
        return jnp.mean(terms.equivariance), (terms, plain.terms(vae, params, jax.random.clone(key), X))

    (_, (terms, others)), slopes = gradient(params, jax.random.key(3))
    # The draw of the codes is the one without the regulariser.
    np.testing.assert_allclose(terms.z, others.z, atol=1e-5)
    np.testing.assert_allclose(
        objective.value(terms, 0), plain.value(others, 0) - 0.5 * np.asarray(terms.equivariance), rtol=1e-5
    )
    assert np.any(slopes["encoder"]["conv_in"]["kernel"])
    assert np.any(slopes["decoder"]["conv_in"]["kernel"])
    assert "equivariance_error" in objective.metrics(terms)
