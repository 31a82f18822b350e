from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvae import ELBO, MLP, Adversarial, ObjectiveConfig, TopDown, UserError, VampPrior
from jaxvae.models import build
from jaxvae.networks.patch_discriminator import patch_discriminator
from jaxvae.objectives.bounds import variational_terms
from jaxvae.objectives.discriminator import (
    Logits,
    RunningMeans,
    accuracy,
    discriminator_hinge,
    follow,
    generator_hinge,
    lecam,
)
from jaxvae.objectives.reconstruction import reconstruction_terms

IMAGES = jnp.asarray(np.random.default_rng(0).uniform(size=(4, 16, 16, 3)), jnp.float32)

# Two images of a row of two patches each.
LOGITS = Logits(jnp.asarray([[[2.0, 0.5]], [[-1.0, 0.0]]]), jnp.asarray([[[-3.0, 0.5]], [[1.0, -0.25]]]))


def test_the_hinge_losses_are_those_computed_by_hand():
    # Of the first image, ½ (mean(0, 0.5) + mean(0, 1.5)); of the second, ½ (mean(2, 1) + mean(2, 0.75)).
    np.testing.assert_allclose(discriminator_hinge(LOGITS), [0.5, 1.4375])
    np.testing.assert_allclose(generator_hinge(LOGITS), [1.25, -0.375])
    np.testing.assert_allclose(accuracy(LOGITS), [0.75, 0.25 * (0 + 0.5 + 0 + 1)])


def test_an_undecided_discriminator_has_a_loss_of_one_and_is_half_right():
    zeros = Logits(jnp.zeros((3, 2, 2)), jnp.zeros((3, 2, 2)))
    np.testing.assert_array_equal(discriminator_hinge(zeros), np.ones(3))
    np.testing.assert_array_equal(accuracy(zeros), np.full(3, 0.5))


def test_the_regulariser_is_its_formula():
    means = RunningMeans(jnp.asarray(0.5), jnp.asarray(-1.0))
    real, fake = np.asarray(LOGITS.real), np.asarray(LOGITS.fake)
    expected = [np.mean((r + 1.0) ** 2) + np.mean((f - 0.5) ** 2) for r, f in zip(real, fake, strict=True)]
    np.testing.assert_allclose(lecam(LOGITS, means), expected, rtol=1e-6)


def test_the_running_means_begin_with_the_first_batch_and_end_up_slow():
    nothing = RunningMeans(jnp.asarray(7.0), jnp.asarray(7.0))
    np.testing.assert_allclose(follow(nothing, LOGITS, 0), [1.5 / 4, -1.75 / 4])
    np.testing.assert_allclose(
        follow(nothing, LOGITS, 10**6), [0.999 * 7 + 0.001 * 0.375, 0.999 * 7 - 0.001 * 0.4375], rtol=1e-5
    )


@pytest.mark.parametrize(("shape", "patches"), [((16, 16, 3), (2, 2)), ((64, 40, 1), (8, 5)), ((1, 1, 1), (1, 1))])
def test_an_untrained_discriminator_says_nothing_of_each_patch(shape, patches):
    network = patch_discriminator(8)
    params = network.init(jax.random.key(0), shape)
    logits = network.logits(params, jnp.ones((2, *shape)))
    assert logits.shape == (2, *patches)
    assert not np.any(logits)
    assert {name for name in params if name.startswith("norm")} == {"norm_1", "norm_2"}


def test_what_is_said_of_an_image_does_not_depend_on_its_batch():
    network = patch_discriminator(8)
    params = network.init(jax.random.key(0), (16, 16, 3))
    kernel = jax.random.normal(jax.random.key(1), params["logit"]["kernel"].shape)
    params = params | {"logit": params["logit"] | {"kernel": kernel}}
    logits = jax.jit(network.logits)
    together = logits(params, IMAGES)
    assert np.std(together) > 0
    for number in range(len(IMAGES)):
        np.testing.assert_allclose(logits(params, IMAGES[number : number + 1])[0], together[number], atol=1e-4)


@cache
def made(**options):
    model = MLP(hidden=(8,), latent=3, **options)
    vae = build(model, (16, 16, 3))
    return vae, jax.jit(vae.init)(jax.random.key(0))


@pytest.mark.parametrize("prior", ["standard_normal", "mixture"])
def test_the_terms_are_those_of_the_bound_at_the_same_draw(prior):
    vae, params = made(prior=prior)
    key = jax.random.key(3)
    bound = variational_terms(vae, params, key, IMAGES)
    terms = reconstruction_terms(vae, params, jax.random.clone(key), IMAGES, error="likelihood")
    for name in ("z", "log_likelihood", "kl"):
        np.testing.assert_array_equal(getattr(terms, name), getattr(bound, name))
    np.testing.assert_array_equal(terms.error, -bound.log_likelihood)
    np.testing.assert_array_equal(terms.reconstruction, vae.decode(params, bound.z).mean)


def test_the_absolute_error_is_a_sum_over_the_image():
    vae, params = made()
    terms = reconstruction_terms(vae, params, jax.random.key(3), IMAGES, error="l1")
    expected = np.abs(np.asarray(IMAGES) - np.asarray(terms.reconstruction)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(terms.error, expected, rtol=1e-5)


@pytest.mark.slow
def test_a_hierarchy_has_the_terms_of_its_own_pass():
    vae = build(TopDown(channels=(4, 4), blocks=(1, 1), latent=2), (8, 8, 3))
    params, x = jax.jit(vae.init)(jax.random.key(0)), IMAGES[:, :8, :8]
    key = jax.random.key(3)
    terms = reconstruction_terms(vae, params, key, x, error="likelihood")
    bound = vae.infer(params, jax.random.clone(key), x)
    np.testing.assert_allclose(terms.log_likelihood, bound.log_likelihood, rtol=1e-4)
    np.testing.assert_array_equal(terms.kl, bound.kl)


@pytest.mark.parametrize("reconstruction", ["likelihood", "l1"])
def test_the_value_is_error_and_weighted_kl_and_evaluation_hears_no_discriminator(reconstruction):
    vae, params = made()
    objective = Adversarial(beta=0.25, reconstruction=reconstruction).build(10)
    terms = objective.terms(vae, params, jax.random.key(3), IMAGES)
    np.testing.assert_allclose(objective.value(terms, 5000), -terms.error - 0.25 * terms.kl, rtol=1e-6)
    assert {"log_likelihood_nats", "kl_nats", "elbo_nats", "reconstruction_error"} == set(objective.metrics(terms))


def test_what_the_model_hears_is_weighted_by_the_size_of_an_image_and_only_from_its_start():
    vae, params = made()
    objective = Adversarial(adversarial=0.5, start=7, discriminator_start=3, discriminator_width=8).build(10)
    terms, critic = objective.terms(vae, params, jax.random.key(3), IMAGES[:2]), objective.critic
    np.testing.assert_array_equal(critic.value(LOGITS, terms, 6), [0.0, 0.0])
    np.testing.assert_allclose(critic.value(LOGITS, terms, 7), 0.5 * 768 * np.asarray([-1.25, 0.375]))
    assert [bool(critic.learns(step)) for step in (2, 3)] == [False, True]


def squares(x, y):
    return jnp.mean(jnp.square(x - y), axis=(1, 2, 3))


@pytest.mark.slow
def test_gradients_of_a_perceptual_distance_reach_the_weights_of_the_model():
    vae, params = made()

    def distance_of(params, distance):
        terms = reconstruction_terms(vae, params, jax.random.key(3), IMAGES, error="l1", distance=distance)
        return jnp.mean(terms.perceptual)

    gradient = jax.grad(distance_of)(params, squares)
    for part in ("encoder", "decoder"):
        assert all(np.any(leaf) for leaf in jax.tree.leaves(gradient[part]))
    moved = jax.tree.map(lambda leaf, slope: leaf - 1e-2 * slope, params, gradient)
    assert distance_of(moved, squares) < distance_of(params, squares)
    blind = jax.grad(distance_of)(params, lambda x, y: jax.lax.stop_gradient(squares(x, y)))
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(blind))


DISTANCE_FILE = """
import jax.numpy as jnp

def squares(x, y):
    return jnp.mean(jnp.square(x - y), axis=(1, 2, 3))

def scalar(x, y):
    return jnp.mean(jnp.square(x - y))

def broken(x, y):
    return x @ nothing
"""


@pytest.fixture
def own_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(DISTANCE_FILE)
    return file


def test_a_distance_of_the_users_own_file_enters_the_value_by_its_weight(own_file):
    vae, params = made()
    fields = {"reconstruction": "l1", "adversarial": 0.0}
    config = Adversarial(**fields, perceptual=0.5, perceptual_distance=f"{own_file}:squares")
    config.check_files()
    objective, plain = config.build(10), Adversarial(**fields).build(10)
    terms, others = (each.terms(vae, params, jax.random.key(3), IMAGES) for each in (objective, plain))
    expected = squares(IMAGES, terms.reconstruction)
    np.testing.assert_allclose(terms.perceptual, expected, rtol=1e-6)
    np.testing.assert_allclose(objective.metrics(terms)["perceptual_distance"], expected, rtol=1e-6)
    np.testing.assert_allclose(
        objective.value(terms, 0), plain.value(others, 0) - 0.5 * 768 * np.asarray(expected), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("function", "told"),
    [("scalar", r"returned shape \(\) for 4 images; expected .* \(4,\)"), ("broken", "cannot be computed: NameError")],
)
def test_a_distance_that_is_not_one_per_image_is_refused(own_file, function, told):
    vae, params = made()
    objective = Adversarial(perceptual=0.5, perceptual_distance=f"{own_file}:{function}").build(10)
    with pytest.raises(UserError, match=told):
        objective.terms(vae, params, jax.random.key(3), IMAGES)


def test_a_missing_file_or_function_is_refused_without_running_anything(own_file, tmp_path):
    def refuse(name):
        with pytest.raises(UserError) as error:
            Adversarial(perceptual=0.5, perceptual_distance=name).check_files()
        return str(error.value)

    assert "there is no file of objective.perceptual_distance" in refuse(f"{tmp_path}/none.py:squares")
    assert "does not define 'square'; did you mean 'squares'" in refuse(f"{own_file}:square")
    (tmp_path / "bad.py").write_text("def squares(:")
    assert "is not Python: " in refuse(f"{tmp_path}/bad.py:squares")
    (tmp_path / "star.py").write_text("raise SystemExit\nfrom os import *\n")
    Adversarial(perceptual=0.5, perceptual_distance=f"{tmp_path}/star.py:squares").check_files()


def test_opening_a_config_neither_needs_nor_runs_the_file(tmp_path):
    file = tmp_path / "gone.py"
    config = Adversarial(perceptual=0.5, perceptual_distance=f"{file}:squares")
    assert ObjectiveConfig.from_json(config.to_json(), "objective") == config
    assert config.build(10).critic is not None


def test_without_its_weight_there_is_no_discriminator():
    assert Adversarial(adversarial=0.0).build(10).critic is None
    assert ELBO().build(10).critic is None


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"adversarial": -0.1}, "objective.adversarial is -0.1, but must be at least 0"),
        ({"lecam": -1.0}, "objective.lecam is -1.0, but must be at least 0"),
        ({"discriminator_width": 12}, "objective.discriminator_width is 12, but must be a positive multiple of 8"),
        ({"discriminator_learning_rate": 0.0}, "objective.discriminator_learning_rate is 0.0, but must be above 0"),
        ({"start": 5, "discriminator_start": 6}, "discriminator_start is 6, but must be at most objective.start, 5"),
        (
            {"perceptual": 1.0},
            "objective.perceptual is 1.0, but must be 0 unless objective.perceptual_distance is given",
        ),
        (
            {"perceptual_distance": "a.py:f"},
            "perceptual_distance is 'a.py:f', but must be omitted, or objective.percept",
        ),
        (
            {"perceptual": 1.0, "perceptual_distance": "a:f"},
            "perceptual_distance is 'a:f', but must be 'squeeze' or FILE.py:FUNCTION",
        ),
        ({"reconstruction": "l2"}, "objective.reconstruction is 'l2', but must be one of 'likelihood', 'l1'"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(fields, told):
    with pytest.raises(UserError, match=told):
        Adversarial(**fields)


def test_remedies_move_the_weight_of_the_kl():
    model = MLP(prior=VampPrior())
    assert Adversarial(beta=1e-3).prior_remedy(model) == "--objective.beta 0.01"
    assert Adversarial(beta=1e-3).collapse_remedy(model, 100, 1e-3) == "--objective.beta 0.0001"
    assert Adversarial(beta=0.0).prior_remedy(model) == "--objective.beta 1e-06"
    assert Adversarial(beta=0.0).collapse_remedy(model, 100, 3e-3) == "--train.learning-rate 0.001"
