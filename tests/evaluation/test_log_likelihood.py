import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from linear_gaussian import NOISE, W

from jaxvae.distributions.gaussian import Normal
from jaxvae.evaluation import log_likelihood as likelihood
from jaxvae.evaluation.linear_gaussian import exact_vae
from jaxvae.evaluation.log_likelihood import CHUNK, accumulated, batch_for, importance_bounds, sizes
from jaxvae.vae import compose

KEY = jax.random.key(3)
IMAGES = np.random.default_rng(1).integers(0, 256, (8, 2, 2, 1), dtype=np.uint8)
PRIOR = Normal(jnp.zeros(2), jnp.zeros(2), 1)


def image_pca(shift=0.0):
    """Probabilistic PCA of pictures [b, 2, 2, 1]."""
    rows = exact_vae(W, NOISE, shift)

    def decode(params, z):
        flat = rows.decode(params, z)
        return Normal(*(each.reshape(-1, 2, 2, 1) for each in (flat.mean, flat.log_variance)), 3)

    return compose(rows.init, lambda params, x: rows.encode(params, x.reshape(-1, 4)), decode, rows.prior)


def exact(x, mean=(0.0, 0.0, 0.0, 0.0)):
    covariance = np.asarray(W @ W.T, np.float64) + NOISE * np.eye(4)
    return scipy.stats.multivariate_normal(mean, covariance).logpdf(np.asarray(x, np.float64).reshape(-1, 4))


def bounds(samples, *, shift=0.6, pixels="scaled", prior=PRIOR, images=IMAGES, batch_size=None):
    return importance_bounds(image_pca(shift), pixels, {}, prior, KEY, images, samples, batch_size)


@pytest.mark.parametrize("chunk", [1, 7, 30, 50, 60, 120])
@pytest.mark.parametrize("counts", [(1,), (1, 10, 30), (1, 10, 100), (1, 10, 100, 120), (7, 49, 50, 51)])
def test_bounds_and_effective_samples_are_accumulated_over_chunks_of_any_size(chunk, counts):
    logs = np.random.default_rng(0).normal(scale=5.0, size=(4, 120))
    parts = [logs[:, start : start + chunk] for start in range(0, -(-counts[-1] // chunk) * chunk, chunk)]
    measured, effective = accumulated(iter(parts), counts)
    for row, count in enumerate(counts):
        weights = scipy.special.logsumexp(logs[:, :count], axis=1)
        np.testing.assert_allclose(measured[row], weights - np.log(count), rtol=1e-12)
        squares = scipy.special.logsumexp(2 * logs[:, :count], axis=1)
        np.testing.assert_allclose(effective[row], np.exp(2 * weights - squares), rtol=1e-9)


@pytest.mark.parametrize("level", [-1e4, 0.0, 1e4])
def test_equal_weights_are_all_effective_and_a_dominant_one_counts_alone(level):
    logs = np.full((2, 12), level)
    logs[1, 3] += 1e3
    measured, effective = accumulated(iter(np.split(logs, 3, axis=1)), (1, 12))
    np.testing.assert_allclose(measured, [[level, level], [level, level + 1e3 - np.log(12)]], rtol=1e-12)
    np.testing.assert_allclose(effective, [[1.0, 1.0], [12.0, 1.0]], rtol=1e-9)


def test_sizes_are_the_powers_of_ten_up_to_the_requested_number():
    assert [sizes(k) for k in (1, 2, 10, 11)] == [(1,), (1, 2), (1, 10), (1, 10, 11)]
    assert sizes(100) == (1, 10, 100)
    assert sizes(5000) == (1, 10, 100, 1000, 5000)


def test_with_the_exact_posterior_every_bound_is_the_log_likelihood_and_every_sample_counts():
    measured = bounds(120, shift=0.0)
    assert measured.samples == (1, 10, 100, 120)
    np.testing.assert_allclose(measured.log_likelihood_nats, [exact(IMAGES / 255)] * 4, rtol=1e-4)
    counts = np.tile(np.asarray([1, 10, 100, 120])[:, None], 8)
    np.testing.assert_allclose(measured.effective_samples, counts, rtol=1e-4)


def test_with_another_posterior_the_bound_rises_to_the_log_likelihood_from_below():
    images = np.repeat(IMAGES, 50, axis=0)  # Fifty draws of the bound of each picture, in effect.
    measured = bounds(2000, images=images)
    truth = np.mean(exact(IMAGES / 255))
    one, ten, hundred, thousand, last = measured.log_likelihood_nats.mean(axis=1)
    # One sample is the ELBO: lower by the KL to the exact posterior, whose mean is 0.6 away in each unit.
    rows = exact_vae(W, NOISE).encode({}, jnp.zeros((1, 4)))
    assert one == pytest.approx(truth - 0.5 * np.sum(0.36 * np.exp(-np.asarray(rows.log_variance))), abs=0.3)
    assert one < ten < hundred < thousand <= last + 0.01
    assert truth - 0.1 < last < truth + 0.02
    assert np.all(measured.effective_samples[0] == 1)
    assert np.all(measured.effective_samples[1:] < 0.9 * np.asarray([10, 100, 1000, 2000])[:, None])


def test_the_first_samples_do_not_depend_on_the_requested_number():
    one, few, many = bounds(1), bounds(30), bounds(120)
    assert (few.samples, many.samples) == ((1, 10, 30), (1, 10, 100, 120))
    np.testing.assert_allclose(one.log_likelihood_nats[0], many.log_likelihood_nats[0], rtol=1e-6)
    np.testing.assert_allclose(few.log_likelihood_nats[:2], many.log_likelihood_nats[:2], rtol=1e-6)
    np.testing.assert_allclose(few.effective_samples[:2], many.effective_samples[:2], rtol=1e-4)
    assert not np.allclose(few.log_likelihood_nats[2], many.log_likelihood_nats[2], rtol=1e-4)


def test_later_chunks_draw_different_samples():
    # Were each chunk the same draws, twice as many would change nothing.
    assert not np.allclose(*(bounds(k).log_likelihood_nats[-1] for k in (CHUNK, 2 * CHUNK)))


def test_the_batch_size_has_no_effect():
    whole = bounds(60)
    for batch_size in (3, 7, 64):
        other = bounds(60, batch_size=batch_size)
        np.testing.assert_allclose(other.log_likelihood_nats, whole.log_likelihood_nats, rtol=1e-5)
        np.testing.assert_allclose(other.effective_samples, whole.effective_samples, rtol=1e-4)


def test_every_device_takes_its_share_of_a_batch(monkeypatch):
    placed, build = [], likelihood.build_chunk

    def watched(*args):
        chunk_of = build(*args)

        def chunk(params, prior, keys, pictures, number):
            placed.append([len(each.sharding.device_set) for each in (keys, pictures, prior.mean)])
            return chunk_of(params, prior, keys, pictures, number)

        return chunk

    one = bounds(60, batch_size=1)
    monkeypatch.setattr(likelihood, "build_chunk", watched)
    shared = bounds(60, batch_size=4)
    count = min(4, len(jax.local_devices()))
    assert placed == [[count] * 3] * 4  # Two batches of two chunks.
    np.testing.assert_allclose(shared.log_likelihood_nats, one.log_likelihood_nats, rtol=1e-5)


def test_batches_are_multiples_of_the_devices(monkeypatch):
    monkeypatch.setattr(jax, "local_devices", lambda: [None] * 4)
    monkeypatch.setattr(likelihood, "NUMBERS_AT_ONCE", 70)
    assert [batch_for(numbers) for numbers in (1, 5, 10, 17, 18, 70, 71)] == [68, 12, 4, 4, 3, 1, 1]


def test_pixels_are_dequantised_once_per_image_and_not_per_sample():
    keys = jax.vmap(jax.random.fold_in, (None, 0))(KEY, jnp.arange(8))
    noise = jnp.stack([jax.random.uniform(jax.random.split(key)[0], (1, 2, 2, 1))[0] for key in keys])
    measured = bounds(60, shift=0.0, pixels="dequantized")
    np.testing.assert_allclose(measured.log_likelihood_nats, [exact((IMAGES + noise) / 256)] * 3, rtol=1e-4)


def test_the_given_prior_is_used():
    moved = Normal(jnp.asarray([0.8, -0.4]), jnp.zeros(2), 1)
    mean = exact_vae(W, NOISE).decode({}, moved.mean[None]).mean[0]
    measured = bounds(3000, shift=0.0, prior=moved)
    np.testing.assert_allclose(measured.log_likelihood_nats[-1], exact(IMAGES / 255, mean), atol=0.05)
    assert np.min(np.abs(exact(IMAGES / 255, mean) - exact(IMAGES / 255))) > 0.7


def test_memory_does_not_grow_with_the_samples(monkeypatch):
    def watched(chunks, counts):
        def each():
            for chunk in chunks:
                shapes.append(chunk.shape)
                yield chunk

        return accumulated(each(), counts)

    monkeypatch.setattr(likelihood, "accumulated", watched)
    monkeypatch.setattr(likelihood, "NUMBERS_AT_ONCE", 3 * CHUNK * 4)
    for samples, chunks in [(50, 1), (51, 2), (1000, 20)]:
        shapes = []
        bounds(samples)
        assert shapes == [(3, CHUNK)] * (3 * chunks)  # Eight pictures, three at a time.
    shapes = []
    bounds(20)
    assert shapes == [(7, 20), (7, 20)]  # Of fewer samples, more pictures at a time.
