"""Places that cannot be written to, for root too, and disks that are full."""

import os
import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from corpus import sentence, tree, untrained_run, write, write_images
from PIL import Image

from jaxvae import DataConfig
from jaxvae.data.prepare import prepare as prepare_data
from jaxvae.errors import UserError
from jaxvae.evaluate import evaluate
from jaxvae.interpolate import interpolate
from jaxvae.prepare import prepare
from jaxvae.reconstruct import reconstruct
from jaxvae.rendering.animation import save_animation
from jaxvae.rendering.grid import save_png
from jaxvae.runs import checkpoint
from jaxvae.sample import sample
from jaxvae.system.files import write_arrays
from jaxvae.training.failures import report_disk_full

TINY = ["--data.size", "8", "--model", "mlp", "--model.hidden", "8", "--model.latent", "2"]


@pytest.fixture(scope="module")
def run(disc_set, tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs") / "run", disc_set)


@pytest.fixture(params=["below a file", "kernel", "read-only folder"])
def unwritable(request, tmp_path_factory):
    """A folder in which nobody, root included, can make anything."""
    folder = tmp_path_factory.mktemp("place")
    if request.param == "below a file":
        return write(folder / "file", b"precious")
    if request.param == "kernel" or os.geteuid() == 0:  # To root a folder of mode 555 is as good as any.
        return Path("/proc/self/fdinfo") if request.param == "kernel" else Path("/proc/sys/kernel")
    folder.chmod(0o555)
    return folder


def test_nothing_is_prepared_in_an_unwritable_folder(call, unwritable, tmp_path_factory):
    folder = write_images(tmp_path_factory.mktemp("raw"))
    sentence(call(prepare, folder, "--root", unwritable), "cannot be written to")
    sentence(call(prepare, folder, "--root", unwritable / "new" / "data"), "cannot be written to")
    sentence(call("train", *TINY, "--data.name", folder, "--data.root", unwritable), "cannot be written to")


def test_nothing_is_trained_in_an_unwritable_folder(call, unwritable, tmp_path_factory):
    place = tmp_path_factory.mktemp("raw")
    folder = write_images(place / "pictures")
    for target in (unwritable / "run", unwritable / "runs" / "run"):
        result = call("train", *TINY, "--data.name", folder, "--data.root", place / "data", "--run", target)
        assert result[0] == 2
        (line,) = result[2].splitlines()
        assert str(target) in line


def test_no_result_is_written_to_an_unwritable_folder(call, run, unwritable):
    before = tree(run)
    target = unwritable / "new" / "x.png"
    sentence(call(sample, run, "--n", 1, "--out", target), "x.png cannot be written")
    sentence(call(reconstruct, run, "--n", 1, "--out", target), "x.png cannot be written")
    sentence(call(interpolate, run, "--steps", 2, "--gif", "--out", target), "x.png cannot be written")
    assert tree(run) == before


def test_evaluate_refuses_invalid_outputs(call, run, tmp_path_factory):
    before, file = tree(run), write(tmp_path_factory.mktemp("place") / "file", b"precious")
    arguments = (evaluate, run, "--k", 1, "--n", 2, "--batch-size", 2)
    sentence(call(*arguments, "--out", file / "x.json"), "x.json cannot be written", "is not a folder")
    sentence(call(*arguments, "--per-example", file / "new" / "x.npz"), "x.npz cannot be written", "is not a folder")
    sentence(call(*arguments, "--out", "x.txt"), "must end in .json")
    sentence(call(*arguments, "--per-example", "x.txt"), "must end in .npz")
    assert tree(run) == before
    assert file.read_bytes() == b"precious"


def test_outputs_that_are_folders_or_dangling_links_are_refused(call, run, tmp_path_factory):
    place = tmp_path_factory.mktemp("place")
    (place / "folder.png").mkdir()
    (place / "link.png").symlink_to("nowhere/at/all.png")
    for name in ("folder.png", "link.png"):
        sentence(call(sample, run, "--n", 1, "--out", place / name), f"{name} exists")
    sentence(call(sample, run, "--n", 1, "--out", place / "folder.png", "--overwrite"), "cannot be written")
    assert os.listdir(place / "folder.png") == []
    assert sorted(os.listdir(place)) == ["folder.png", "link.png"]


@contextmanager
def no_file_above(size):
    """As on a full disk: writing more than so many bytes into a file fails, with EFBIG in place of ENOSPC."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 10, 130, 1000, 12_000])
def test_a_disk_too_small_for_a_dataset(tmp_path, size):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 256, (50, 20, 20), np.uint8))
    with no_file_above(size), pytest.raises(UserError, match=r"data/a-original-\w+ cannot be prepared \(.+\)"):
        prepare_data(DataConfig(name=str(tmp_path / "a.npy"), size=None, root=str(tmp_path / "data")))
    assert os.listdir(tmp_path) == ["a.npy"]


def test_a_disk_too_small_for_results(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), np.uint8)
    with no_file_above(100):
        for save, name in (
            (lambda path: save_png(Image.fromarray(images[0]), path), "x.png"),
            (lambda path: save_animation(images, path), "x.gif"),
            (lambda path: write_arrays(path, {"images": images}), "x.npz"),
        ):
            with pytest.raises(UserError, match=rf"{name} cannot be written"):
                save(tmp_path / "new" / name)
    assert os.listdir(tmp_path) == []


def test_a_disk_too_small_for_a_checkpoint(tmp_path):
    run, values = tmp_path / "run", np.random.default_rng(0).normal(size=5000).astype(np.float32)

    def save(step):
        with report_disk_full(run), checkpoint.open_checkpoints(run / "checkpoints") as checkpointer:
            checkpoint.save(checkpointer, step, {"params": {"w": values}}, about={}, objective=None)

    save(1)
    with (
        no_file_above(8000),
        pytest.raises(UserError, match=r"exceed the size limit .* the checkpoint of step 1 is"),
    ):
        save(2)
    assert checkpoint.steps(run / "checkpoints") == [1]
    save(2)
    assert checkpoint.steps(run / "checkpoints") == [1, 2]
