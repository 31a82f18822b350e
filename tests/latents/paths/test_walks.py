import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import tiny_config, untrained

from jaxvae import MLP, Conv, DataConfig, DiscretizedLogisticMixtureLikelihood, FullMixturePrior, VampPrior
from jaxvae.inference import decode_to_images, encode_means, unstack
from jaxvae.latents.paths.build import build_path
from jaxvae.latents.paths.interpolation import linear
from jaxvae.latents.paths.walk_report import format_lines, measure_smoothness
from jaxvae.latents.paths.walks import Walk, even_degrees, segment_rows, to_arrays, walk

MODELS = {
    "vamp": MLP(hidden=(8,), latent=3, prior=VampPrior(components=3)),
    "full": MLP(hidden=(8,), latent=3, prior=FullMixturePrior(components=2)),
    "spatial": Conv(
        channels=(4,),
        latent=1,
        latent_kind="spatial",
        likelihood=DiscretizedLogisticMixtureLikelihood(components=2),
    ),
}


@pytest.mark.parametrize(
    ("name", "path"),
    [("vamp", "prior"), ("full", "prior"), pytest.param("spatial", "geodesic", marks=pytest.mark.slow)],
)
def test_learned_priors_and_maps_of_codes_can_be_walked(name, path, disc_set):
    pixels = "scaled" if name == "spatial" else "dequantized"
    config = tiny_config(model=MODELS[name], data=DataConfig(name="discs", size=None, pixels=pixels))
    vae, params, _ = untrained(config, disc_set)
    ends = unstack(encode_means(vae, params, np.asarray(disc_set.split("test").images[:2])))
    shown = decode_to_images(vae, params, jax.tree.map(lambda *leaves: jnp.stack(leaves), *ends))
    made = walk(vae, params, build_path(path, vae, params), ends, even_degrees(3, 2))
    assert made.images.shape == (3, 16, 16, 3)
    assert jax.tree.all(jax.tree.map(lambda leaf: bool(np.isfinite(leaf).all()), made.codes))
    np.testing.assert_allclose(made.images[[0, -1]].astype(int), shown, atol=1)


def test_steps_are_counted_from_each_endpoint_to_the_next():
    np.testing.assert_allclose(even_degrees(3, 2), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(even_degrees(3, 3), [0.0, 0.25, 0.5, 0.75, 1.0])


def test_rows_start_and_end_with_originals_and_share_their_joints():
    originals, pictures = (np.asarray(each, np.uint8).reshape(-1, 1, 1, 1) for each in ([100, 101, 102], range(5)))
    rows = segment_rows(originals, pictures).reshape(2, 5)
    np.testing.assert_array_equal(rows, [[100, 0, 1, 2, 101], [101, 2, 3, 4, 102]])


def test_codes_of_several_parts_become_separate_arrays():
    made = Walk(np.zeros(2), {"a": jnp.ones((2, 3)), "b": jnp.zeros((2, 1))}, np.zeros((2, 1, 1, 1), np.uint8), None)
    shapes = {name: array.shape for name, array in to_arrays(made).items()}
    assert shapes == {"degrees": (2,), "pictures": (2, 1, 1, 1), "codes_0": (2, 3), "codes_1": (2, 1)}


def test_a_fade_between_real_images_is_reported(disc_set):
    """Of pictures whose path is known: a red disc fades into a blue one, then stays."""
    test = disc_set.split("test")
    red = int(np.flatnonzero((test.attributes[:, 0] == 1) & (test.attributes[:, 1] == 1))[0])
    blue = int(np.flatnonzero((test.attributes[:, 0] == 0) & (test.attributes[:, 1] == 1))[0])
    first, second = (test.images[index].astype(np.float32) / 255.0 for index in (red, blue))
    fade = linear(jnp.asarray(first), jnp.asarray(second), jnp.linspace(0.0, 1.0, 33))
    shown = np.concatenate([fade, np.tile(second, (32, 1, 1, 1))])
    made = Walk(np.zeros(0), {}, np.zeros(0), shown)
    report = measure_smoothness(made, ["red", "blue", "the same"], disc_set)
    assert report["arc_over_chord"] == pytest.approx(1.0, rel=1e-4)
    fading, staying = report["stretches"]
    assert fading["largest_over_mean_step"] == pytest.approx(1.0, rel=1e-3)
    assert (staying["arc"], staying["arc_over_chord"], staying["attributes"]) == (pytest.approx(0, abs=1e-6), None, {})
    colour = fading["attributes"]["red"]
    assert (colour["from"], colour["to"]) == ("1", "0")
    assert colour["arc_over_chord"] == pytest.approx(1.0, abs=1e-2)
    assert "high" not in fading["attributes"]
    text = "\n".join(format_lines(report))
    assert text.startswith("probabilities are those that a classifier, trained on the data set's own images")
    assert "\nthe whole path, in pixels: arc over chord 1.00" in text
    assert "\nred → blue, in pixels" in text
    assert "\n  p(red = 0): 0." in text
    assert "arc over chord none" in text


def test_an_unmeasured_walk_has_nothing_to_report(disc_set):
    with pytest.raises(ValueError, match="measure=True"):
        measure_smoothness(Walk(np.zeros(0), {}, np.zeros(0), None), ["a", "b"], disc_set)
