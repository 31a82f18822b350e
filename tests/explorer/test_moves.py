import jax.numpy as jnp
import numpy as np
import pytest
from conftest import DENSE, tiny_config, untrained

from jaxvae import HVAE, Autoencoder, Conv
from jaxvae.distributions.gaussian import Normal
from jaxvae.distributions.laplace import Laplace
from jaxvae.distributions.levels import Levels
from jaxvae.errors import UserError
from jaxvae.explorer import moves
from jaxvae.inference import decode_to_images, reconstruct
from jaxvae.keys import key_for
from jaxvae.labels import UNKNOWN
from jaxvae.latents.attributes.directions import attribute_directions
from jaxvae.latents.paths.interpolation import spherical
from jaxvae.latents.units.rates import unit_rates
from jaxvae.runs.run import load

SPATIAL = Conv(latent_kind="spatial", latent=2, channels=(4, 4))


@pytest.fixture(scope="module", params=[DENSE, SPATIAL], ids=["vector", "spatial"])
def loaded(request, disc_set):
    return untrained(tiny_config(model=request.param), disc_set)


def test_the_endpoints_of_a_walk_show_the_reconstructions(loaded, disc_set):
    images = disc_set.split("test").images[:2]
    first, last = (moves.code_row(loaded, image) for image in images)
    rows = moves.path_rows(loaded, moves.build_named_path(loaded, "linear"), first, last)
    shown = moves.decode_rows(loaded, np.stack([moves.code_at(rows, degree) for degree in (0.0, 1.0)]))
    expected = reconstruct(loaded.vae, loaded.params, images)
    assert np.max(np.abs(shown.astype(int) - expected)) <= 1


def test_a_degree_between_two_steps_of_a_path_is_between_their_codes(loaded):
    rows = np.arange(moves.PATH_STEPS + 1, dtype=np.float32)[:, None] ** 2
    assert moves.code_at(rows, 0.1)[0] == pytest.approx(100)
    assert moves.code_at(rows, 0.105)[0] == pytest.approx(110.5)
    assert moves.code_at(rows, 1.0)[0] == 10_000


def test_every_named_path_connects_its_endpoints(fitted_run):
    loaded = load(fitted_run)
    first, last = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    names = moves.path_names(loaded)
    assert names == ["linear", "spherical", "prior:fitted_mixture", "prior:model", "geodesic"]
    for name in names[:-1]:  # The geodesic takes its time: tests/test_geodesic.py.
        rows = moves.path_rows(loaded, moves.build_named_path(loaded, name), first, last)
        assert rows.shape == (moves.PATH_STEPS + 1, 3)
        np.testing.assert_allclose(rows[[0, -1]], [first, last], atol=1e-5)
    middle = spherical(jnp.asarray(first), jnp.asarray(last), jnp.asarray([0.5]))[0]
    rows = moves.path_rows(loaded, moves.build_named_path(loaded, "spherical"), first, last)
    np.testing.assert_allclose(rows[50], middle, atol=1e-5)


@pytest.mark.parametrize("in_levels", [False, True])
def test_a_prior_of_another_family_can_be_sampled_but_has_no_path(loaded, in_levels):
    prior = Laplace(jnp.zeros(3), jnp.zeros(3), 1)
    prior = Levels((prior, Normal(jnp.zeros(2), jnp.zeros(2), 1))) if in_levels else prior
    own = loaded._replace(vae=loaded.vae._replace(prior=lambda params: prior))
    assert moves.prior_names(own) == ["model"]
    assert moves.path_names(own) == ["linear", "spherical", "geodesic"]
    with pytest.raises(UserError, match="unknown path 'prior:model'"):
        moves.build_named_path(own, "prior:model")


def test_unit_sliders_move_a_unit_by_the_deviation_of_its_codes(loaded, disc_set):
    rates = unit_rates(loaded, disc_set.split("test").images)
    sliders = moves.unit_sliders(loaded, rates, 2)
    assert [slider.key for slider in sliders] == [f"unit:{unit}" for unit in rates.order[:2]]
    row = np.zeros(len(rates.values), np.float32)
    moved = moves.apply_sliders(row, sliders, [(sliders[0].key, -2.0), (sliders[1].key, 0.5)])
    expected = row.copy()
    expected[rates.order[:2]] = np.asarray([-2.0, 0.5]) * rates.deviation[rates.order[:2]]
    np.testing.assert_allclose(moved, expected, rtol=1e-6)
    assert f"{rates.values[rates.order[0]]:.2f} nats" == sliders[0].note


def test_attribute_sliders_go_from_the_images_without_to_those_with(loaded, disc_set):
    images, attributes = disc_set.split("train")
    sliders = moves.attribute_sliders(attribute_directions(loaded, disc_set))
    assert [slider.label for slider in sliders] == ["red", "high", "width=small", "width=medium", "width=large"]
    rows = np.stack([moves.code_row(loaded, image) for image in images])
    red = attributes[:, 0] == 1
    np.testing.assert_allclose(sliders[0].direction, rows[red].mean(axis=0) - rows[~red].mean(axis=0), atol=1e-5)


def test_requesting_more_units_than_a_code_has_returns_all(disc_set):
    loaded = untrained(tiny_config(model=DENSE), disc_set)
    assert len(moves.unit_sliders(loaded, unit_rates(loaded, disc_set.split("test").images), 10)) == 3


def test_samples_come_from_the_prior_and_spread_with_the_temperature(loaded):
    draw = moves.build_sampler(loaded, "model")
    rows, labels = draw(7, 1.0)
    assert (labels == UNKNOWN).all()
    codes = loaded.vae.prior(loaded.params).sample(key_for("explore", 7), (moves.DRAW_SIZE,))
    np.testing.assert_allclose(rows, np.asarray(codes).reshape(moves.DRAW_SIZE, -1), rtol=1e-6)
    np.testing.assert_allclose(draw(7, 0.5)[0], rows / 2, rtol=1e-5)
    expected = decode_to_images(loaded.vae, loaded.params, codes)
    assert np.max(np.abs(moves.decode_rows(loaded, rows).astype(int) - expected)) <= 1


def test_an_autoencoder_without_fitted_priors_has_no_prior_to_sample(disc_set):
    loaded = untrained(tiny_config(model=DENSE, objective=Autoencoder()), disc_set)
    assert moves.prior_names(loaded) == []
    assert moves.path_names(loaded) == ["linear", "spherical", "geodesic"]
    with pytest.raises(UserError, match="unknown prior 'model'"):
        moves.build_sampler(loaded, "model")
    sliders = moves.unit_sliders(loaded, unit_rates(loaded, disc_set.split("test").images), 1)
    assert "variance" in sliders[0].note


def test_unknown_names_are_reported_with_suggestions(loaded):
    with pytest.raises(UserError, match="unknown path 'linaer': did you mean 'linear'"):
        moves.build_named_path(loaded, "linaer")
    with pytest.raises(UserError, match="unknown slider 'unit:9'"):
        moves.apply_sliders(np.zeros(3), [], [("unit:9", 1.0)])


def test_a_mix_is_the_weighted_mean_of_its_codes():
    rows = [np.asarray([1.0, 0.0], np.float32), np.asarray([0.0, 4.0], np.float32)]
    np.testing.assert_allclose(moves.mix_rows(rows, [3.0, 1.0]), [0.75, 1.0], rtol=1e-6)


def test_a_level_slider_keeps_a_share_of_its_level(disc_set):
    loaded = untrained(tiny_config(model=HVAE(hidden=4, latent=(2, 3))), disc_set)
    sliders = moves.level_sliders(loaded)
    assert [(slider.key, slider.note) for slider in sliders] == [("level:z2", "2 units"), ("level:z1", "3 units")]
    assert [(slider.low + slider.neutral, slider.high + slider.neutral) for slider in sliders] == [(0.0, 1.0)] * 2
    row = np.arange(1.0, 6.0, dtype=np.float32)
    kept = moves.apply_sliders(row, sliders, [("level:z1", -0.75)])
    np.testing.assert_allclose(kept, [1.0, 2.0, 0.75, 1.0, 1.25])
    assert not moves.apply_sliders(row, sliders, [("level:z1", -1.0), ("level:z2", -1.0)]).any()


def test_what_is_added_to_a_level_does_not_depend_on_how_much_of_it_is_kept(disc_set):
    loaded = untrained(tiny_config(model=HVAE(hidden=4, latent=(2, 3))), disc_set)
    step = moves.Slider("unit:0", "", "", np.asarray([1, 0, 0, 0, 0], np.float32), -3.0, 3.0)
    moved = moves.apply_sliders(
        np.ones(5, np.float32), [*moves.level_sliders(loaded), step], [("level:z2", -1.0), ("unit:0", 2.0)]
    )
    np.testing.assert_allclose(moved, [2.0, 0.0, 1.0, 1.0, 1.0])


def test_a_model_of_one_level_has_no_level_sliders(loaded):
    assert moves.level_sliders(loaded) == []


@pytest.mark.parametrize("amount", [0.5, -1.5])
def test_a_share_of_a_level_out_of_range_is_refused(disc_set, amount):
    loaded = untrained(tiny_config(model=HVAE(hidden=4, latent=(2, 3))), disc_set)
    with pytest.raises(UserError, match=f"z1 is {amount + 1:g}, but must be between 0 and 1"):
        moves.apply_sliders(np.ones(5, np.float32), moves.level_sliders(loaded), [("level:z1", amount)])
