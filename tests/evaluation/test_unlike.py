import numpy as np
import pytest
from PIL import Image

from jaxvae.evaluation import unlike
from jaxvae.evaluation.unlike import warn_of_unlike_images
from jaxvae.interpolate import interpolate
from jaxvae.runs.run import load


@pytest.fixture(autouse=True)
def knows_discs(monkeypatch):
    """A model that reconstructs discs, which lie on light grey, and nothing else."""
    monkeypatch.setattr(
        unlike, "reconstruct", lambda vae, params, images: np.where(images[:, :1, :1] == 230, images, 0)
    )


def test_a_file_unlike_the_training_images_is_named_and_others_are_not(disc_run, disc_set, tmp_path, caplog):
    loaded, test = load(disc_run), disc_set.split("test").images
    noise = np.random.default_rng(0).integers(0, 256, test[0].shape, dtype=np.uint8)
    paths = [tmp_path / "noise.png", tmp_path / "disc.png"]
    for path, image in zip(paths, (noise, test[0]), strict=True):
        Image.fromarray(image).save(path)
    with caplog.at_level("WARNING", logger="jaxvae"):
        warn_of_unlike_images(loaded, [*map(str, paths), "test:0"], np.stack([noise, test[0], noise]))
    (line,) = caplog.messages
    assert str(paths[0]) in line
    assert "of 21 test images" in line


def test_interpolate_warns_of_a_photograph_on_a_model_of_discs(call, disc_run, tmp_path_factory, caplog):
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(path)
    code, _, _ = call(interpolate, disc_run, "--to", path, "--out", "x.png")
    assert code == 0
    assert "photo.jpg is unlike what this model was trained on" in caplog.text
