import jax
import numpy as np
import pytest
from conftest import DENSE, tiny_config, untrained

from jaxvae import Conv
from jaxvae.codes import STATISTICS_TREE, CodeStatistics
from jaxvae.inference import code_statistics, posteriors
from jaxvae.runs import checkpoint

MODELS = {
    "vector": DENSE,
    "spatial": Conv(latent_kind="spatial", latent=2, channels=(4, 4)),
}


@pytest.mark.parametrize("kind", MODELS)
def test_the_statistics_are_mean_and_deviation_of_all_codes_for_any_batching(disc_set, kind):
    vae, params, _ = untrained(tiny_config(model=MODELS[kind]), disc_set)
    images = disc_set.split("train").images[:70]  # A whole batch and a ragged one.
    statistics = code_statistics(vae, params, images)
    of_all = posteriors(vae, params, images).mean.astype(np.float64)
    assert len(of_all) == 70
    assert statistics.mean.shape == of_all.shape[1:]
    np.testing.assert_allclose(statistics.mean, of_all.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(statistics.standard_deviation, of_all.std(axis=0), rtol=1e-4, atol=1e-7)
    standard = np.asarray(statistics.standardize(of_all.astype(np.float32)))
    np.testing.assert_allclose(standard.mean(axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(standard.std(axis=0), 1.0, atol=1e-3)
    np.testing.assert_allclose(statistics.restore(standard), of_all, rtol=1e-4, atol=1e-6)


def test_a_single_image_has_no_spread_and_can_still_be_standardised(disc_set):
    vae, params, _ = untrained(tiny_config(model=MODELS["vector"]), disc_set)
    statistics = code_statistics(vae, params, disc_set.split("train").images[:1])
    np.testing.assert_array_equal(statistics.standard_deviation, 0.0)
    standard = statistics.standardize(np.asarray(statistics.mean)[None] + np.float32(0.5))
    np.testing.assert_allclose(standard, 0.5, rtol=1e-6)


def test_spreads_are_in_the_units_of_standardised_codes():
    statistics = CodeStatistics(np.asarray([1.0, 2.0], np.float32), np.asarray([4.0, 0.0], np.float32))
    np.testing.assert_allclose(statistics.rescale_deviations(np.asarray([[2.0, 3.0]])), [[0.5, 3.0]])
    np.testing.assert_allclose(statistics.standardize(np.asarray([[9.0, 2.0]])), [[2.0, 0.0]])


def test_a_checkpoint_stores_the_statistics_as_a_separate_tree(disc_set, tmp_path):
    vae, params, _ = untrained(tiny_config(model=MODELS["spatial"]), disc_set)
    statistics = code_statistics(vae, params, disc_set.split("test").images)
    with checkpoint.open_checkpoints(tmp_path) as checkpointer:
        trees = {STATISTICS_TREE: statistics._asdict()}
        checkpoint.save(checkpointer, 1, trees, about={}, objective=None)
    again = CodeStatistics(**checkpoint.read_tree(tmp_path, 1, STATISTICS_TREE))
    jax.tree.map(np.testing.assert_array_equal, again, statistics)
    assert again.mean.shape == (4, 4, 2)
