import contextlib
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from jaxvae.errors import UserError
from jaxvae.evaluation.features import build_features

URL = "https://example.org/weights-inception.pth"


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_pixels_are_means_of_blocks():
    features = build_features("pixels")
    assert features.name == "pixels"
    assert "not the standard FID" in features.description
    images = random_images(65, 16, 24, 3)  # One more than a batch.
    expected = images.reshape(65, 8, 2, 8, 3, 3).mean(axis=(2, 4)).reshape(65, 192) / 255
    np.testing.assert_allclose(features.extract(images), expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (9, 31), (8, 8), (100, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_of_any_size_are_exact_areas(shape, channels):
    images = random_images(3, *shape, channels)
    # Each pixel as 8 x 8 small ones: these make whole blocks.
    fine = images.repeat(8, axis=1).repeat(8, axis=2).reshape(3, 8, shape[0], 8, shape[1], channels)
    measured = build_features("pixels").extract(images)
    np.testing.assert_allclose(measured, fine.mean(axis=(2, 4)).reshape(3, -1) / 255, rtol=1e-12)


class Tensor:
    """As much of a torch.Tensor as the features use."""

    def __init__(self, array, device="cpu"):
        self.array, self.device = array, device

    def cuda(self):
        return Tensor(self.array, "cuda")

    def cpu(self):
        return Tensor(self.array)

    def numpy(self):
        assert self.device == "cpu"
        return self.array


class Network:
    """Three means and one corner of each picture [n, 3, h, w]; keeps what it was given."""

    def __init__(self, device):
        self.device, self.sizes = device, []

    def __call__(self, batch):
        x = batch.array
        assert batch.device == self.device
        assert x.dtype == np.uint8
        assert x.shape[1] == 3
        assert x.flags.c_contiguous
        assert x.flags.writeable
        self.sizes.append(len(x))
        corner = x[:, 0, 0, -1].astype(np.float32)
        return (Tensor(np.column_stack([x.mean(axis=(2, 3), dtype=np.float32), corner]), self.device),)


@pytest.fixture
def fidelity(monkeypatch):
    """Stand-ins for torch and torch-fidelity, whose weights are a large download."""
    state = SimpleNamespace(cuda=False, error=None, network=None)

    def create_feature_extractor(name, list_features, cuda=True, **options):
        assert (name, list_features, options) == ("inception-v3-compat", ["2048"], {"verbose": False})
        if state.error:
            raise state.error
        state.network = Network("cuda" if cuda else "cpu")
        return state.network

    modules = {
        "torch": {
            "from_numpy": Tensor,
            "inference_mode": contextlib.nullcontext,
            "cuda": SimpleNamespace(is_available=lambda: state.cuda),
            "hub": SimpleNamespace(get_dir=lambda: "/cache/hub"),
        },
        "torch_fidelity": {"__version__": "0.4.0"},
        "torch_fidelity.utils": {"create_feature_extractor": create_feature_extractor},
        "torch_fidelity.feature_extractor_inceptionv3": {"URL_INCEPTION_V3": URL},
    }
    for name, contents in modules.items():
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    return state


@pytest.mark.parametrize("cuda", [False, True])
def test_inception_processes_colour_in_batches(fidelity, cuda):
    fidelity.cuda = cuda
    features = build_features("inception")
    assert features.name == "inception"
    assert "torch-fidelity 0.4.0" in features.description
    images = random_images(129, 5, 7, 3)
    images.flags.writeable = False
    measured = features.extract(images)
    assert fidelity.network.sizes == [64, 64, 1]
    np.testing.assert_allclose(measured[:, :3], images.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(measured[:, 3], images[:, 0, -1, 0])


def test_inception_converts_grey_to_colour(fidelity):
    images = random_images(3, 28, 28, 1)
    measured = build_features("inception").extract(images)
    np.testing.assert_allclose(measured[:, :3], images.mean(axis=(1, 2)).repeat(3, axis=1), rtol=1e-5)


@pytest.mark.parametrize("missing", ["torch", "torch_fidelity", "torch_fidelity.utils"])
@pytest.mark.usefixtures("fidelity")
def test_a_missing_package_is_named(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)  # Makes its import fail.
    with pytest.raises(UserError, match=r"torch-fidelity, which cannot be imported.*pip install 'jaxvae\[fid\]'"):
        build_features("inception")


@pytest.mark.parametrize("error", [OSError("no route to host"), EOFError("no more input"), Exception("no pickle")])
def test_weights_that_cannot_be_loaded_are_reported(fidelity, error):
    fidelity.error = error
    with pytest.raises(UserError) as caught:
        build_features("inception")
    for part in (f"({type(error).__name__}: {error})", "/cache/hub/checkpoints/weights-inception.pth", URL):
        assert part in str(caught.value)


OWN = """
import numpy as np

SCALE = 255.0

def brightness(images):
    return np.stack([images.mean(axis=(1, 2, 3)), images[:, 0, 0, 0]], axis=1) / SCALE

def as_list(images):
    return [[1, 2]] * len(images)

def flat(images):
    return images.mean(axis=(1, 2, 3))

def short(images):
    return np.zeros((len(images) - 1, 4))

def empty(images):
    return np.zeros((len(images), 0))

def infinite(images):
    return np.where(np.arange(len(images))[:, None] < 2, np.inf, np.zeros((1, 3)))

def words(images):
    return [["red"]] * len(images)

def ragged(images):
    return [[0.0] * (i + 1) for i in range(len(images))]

def nothing(images):
    pass

table = {}
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def test_a_user_defined_function_is_used(own):
    features = build_features(f"{own}:brightness")
    assert features.name == f"{own}:brightness"
    assert features.description == f"the function brightness of {own}"
    images = random_images(70, 5, 7, 3)
    expected = np.column_stack([images.mean(axis=(1, 2, 3)), images[:, 0, 0, 0]]) / 255
    np.testing.assert_array_equal(features.extract(images), expected)
    listed = build_features(f"{own}:as_list").extract(images)
    assert listed.dtype == np.float64
    assert listed.shape == (70, 2)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("flat", r"own\.py:flat returned shape \(4,\) for 4 images; expected \(4, f\)"),
        ("short", r"returned shape \(3, 4\) for 4 images"),
        ("empty", r"returned shape \(4, 0\) for 4 images"),
        ("infinite", r"not finite for 2 of 4 images"),
        ("words", r"returned a list that is not an array of numbers.*of shape \(4, f\)"),
        ("ragged", r"returned a list that is not an array of numbers"),
        ("nothing", r"own\.py:nothing returned"),
    ],
)
def test_results_of_the_wrong_kind_are_reported(own, function, message):
    with pytest.raises(UserError, match=message):
        build_features(f"{own}:{function}").extract(random_images(4, 5, 7, 1))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pixel", r"unknown features 'pixel'; did you mean 'pixels'"),
        ("Inception", r"unknown features 'Inception'; did you mean 'inception'"),
        ("xyz", r"unknown features 'xyz'; expected one of pixels, squeeze, inception, FILE\.py:FUNCTION"),
        ("", r"unknown features ''; expected one of"),
        ("own.txt:brightness", r"unknown features 'own\.txt:brightness'"),
        ("own.py", r"'own\.py' do not name a function; use own\.py:FUNCTION"),
        ("absent/own.py:brightness", r"the file absent/own\.py, which does not exist"),
    ],
)
def test_unknown_names_are_reported(name, message):
    with pytest.raises(UserError, match=message):
        build_features(name)


def test_a_missing_function_is_reported(own):
    with pytest.raises(UserError, match=r"own\.py does not define a function 'brightnes'; did you mean 'brightness'"):
        build_features(f"{own}:brightnes")
    with pytest.raises(UserError, match=r"does not define a function 'table'"):
        build_features(f"{own}:table")
    with pytest.raises(UserError, match=r"does not define a function ''"):
        build_features(f"{own}:")


def test_an_unreadable_file_is_reported(own):
    own.write_text("def broken(:")
    with pytest.raises(UserError, match=r"the features file .*own\.py cannot be read: SyntaxError"):
        build_features(f"{own}:broken")
