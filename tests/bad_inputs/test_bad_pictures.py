import os
import shutil

import numpy as np
import pytest
from corpus import (
    BROKEN_PICTURES,
    animated,
    cmyk,
    encoded,
    png_of,
    postscript,
    sentence,
    sixteen_bit,
    tree,
    untrained_run,
    write,
    write_images,
)
from PIL import Image

from jaxvae import DataConfig
from jaxvae.data.images import read_image
from jaxvae.data.prepare import prepare as prepare_data
from jaxvae.data.select import from_file
from jaxvae.errors import UserError
from jaxvae.interpolate import interpolate
from jaxvae.prepare import prepare
from jaxvae.reconstruct import reconstruct


@pytest.mark.parametrize("name", BROKEN_PICTURES)
def test_a_broken_image_in_a_folder_is_named(call, tmp_path_factory, name):
    folder = write_images(tmp_path_factory.mktemp("raw"))
    write(folder / name, BROKEN_PICTURES[name]())
    before = tree(folder)
    sentence(call(prepare, folder), "1 of 11 image files", name, "--data.skip-share")
    assert tree(folder) == before


@pytest.mark.parametrize("name", BROKEN_PICTURES)
def test_a_broken_image_given_by_path_is_named(disc_set, tmp_path, name):
    path = write(tmp_path / name, BROKEN_PICTURES[name]())
    with pytest.raises(UserError, match="cannot be read as an image" if name != "bomb.png" else "more pixels than"):
        from_file(path, disc_set.data)


@pytest.fixture
def run(disc_set, tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs") / "run", disc_set)


def test_commands_name_the_image_they_cannot_read(call, run, tmp_path_factory):
    path = write(tmp_path_factory.mktemp("own") / "cut.jpg", BROKEN_PICTURES["cut.jpg"]())
    before = tree(run)
    sentence(call(reconstruct, run, path), "cut.jpg cannot be read as an image")
    sentence(call(interpolate, run, "--from", path, "--to", "test:0"), "cut.jpg cannot be read as an image")
    sentence(call(interpolate, run, "--from", path.parent, "--to", "test:0"), "cannot be read as an image")
    assert tree(run) == before


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "tiff", "bmp", "ppm", "tga", "blp", "avif", "webp"])
def test_an_image_damaged_anywhere_is_read_or_reported(tmp_path, kind):
    random = np.random.default_rng(0)
    if kind == "blp":
        Image.fromarray(random.integers(0, 256, (16, 16), np.uint8)).convert("P").save(tmp_path / "whole", kind)
        whole = (tmp_path / "whole").read_bytes()
    else:
        whole = encoded(kind)
    told = 0
    for _ in range(30):
        damaged = bytearray(whole)
        damaged[random.integers(min(len(whole), random.choice([20, 200, 2000])))] = random.integers(256)
        path = write(tmp_path / "p.png", bytes(damaged))
        try:
            read_image(path)
        except UserError:
            told += 1
    assert told > 0


def use(folder, tmp_path, **fields):
    prepared = prepare_data(DataConfig(name=str(folder), root=str(tmp_path / "data"), **{"size": 8} | fields))
    return prepared, np.concatenate([prepared.split(split).images for split in ("train", "validation", "test")])


@pytest.mark.parametrize(
    ("make", "color"),
    [
        (lambda path: animated(path / "moving.gif"), (255, 0, 0)),
        (lambda path: cmyk(path / "print.jpg"), (255, 0, 0)),
        (lambda path: sixteen_bit(path / "deep.png"), (200, 200, 200)),
        (lambda path: Image.new("RGB", (1, 1), "red").save(path / "one.png"), (255, 0, 0)),
        (lambda path: Image.new("RGB", (20_000, 1), "red").save(path / "line.png"), (255, 0, 0)),
        (lambda path: Image.new("RGBA", (9, 9), (255, 0, 0, 255)).save(path / "clear.png"), (255, 0, 0)),
    ],
    ids=["first frame", "CMYK", "16 bits", "1x1", "20000x1", "RGBA"],
)
def test_unusual_images_are_read_as_displayed(tmp_path, make, color):
    folder = write_images(tmp_path / "raw", count=4)
    make(folder)
    _, images = use(folder, tmp_path)
    assert images.shape == (5, 8, 8, 3)
    distance = np.abs(images.astype(int) - np.array(color)).max((1, 2, 3))
    assert sorted(distance)[0] <= 3  # What JPEG does to it.
    assert sorted(distance)[1] > 3


def test_one_pixel_images_keep_their_size_unless_one_is_requested(tmp_path):
    prepared, images = use(write_images(tmp_path / "raw", size=(1, 1)), tmp_path, size=None)
    assert prepared.shape == (1, 1, 3)
    assert len(images) == 10


@pytest.mark.parametrize(("count", "told"), [(1, "has 1 image for"), (2, "has 2 images for")])
def test_too_few_images_for_three_splits_are_refused(call, tmp_path_factory, count, told):
    folder = write_images(tmp_path_factory.mktemp("few"), count)
    sentence(call(prepare, folder), told, "at least 3: one each for train and validation and test")
    sentence(call("train", "--data.name", folder), told)


def test_a_folder_of_only_broken_images_is_refused(call, tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    for i in range(9):
        write(folder / f"{i}.png", b"")
    sentence(call(prepare, folder, "--skip-share", "0.5"), "9 of 9 image files", "0.png, 1.png, 2.png", "…")
    sentence(call(prepare, folder, "--skip-share", "1"), "has 0 images for training")


def test_a_pipe_among_the_images_does_not_block(call, tmp_path_factory, disc_set):
    folder = write_images(tmp_path_factory.mktemp("raw"))
    os.mkfifo(folder / "endless.png")
    sentence(call(prepare, folder), "1 of 11 image files", "endless.png")
    with pytest.raises(UserError, match=r"endless\.png cannot be read as an image"):
        from_file(folder / "endless.png", disc_set.data)


def test_postscript_is_not_run(tmp_path, monkeypatch, disc_set):
    """Pillow would hand it to the first `gs` of the PATH."""
    ghostscript = write(tmp_path / "bin" / "gs", f"#!/bin/sh\n{shutil.which('touch')} {tmp_path / 'mark'}\n".encode())
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(ghostscript.parent))
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    folder = write_images(tmp_path / "raw", 4)
    write(folder / "program.eps", postscript(tmp_path / "mark"))  # Passed over, as other files are.
    prepared, _ = use(folder, tmp_path)
    assert prepared.info["origin"]["files"] == 4
    for name in ("program.eps", "program.png"):
        write(folder / name, postscript(tmp_path / "mark"))
        with pytest.raises(UserError, match="cannot be read as an image"):
            from_file(folder / name, disc_set.data)
    with pytest.raises(UserError, match=r"1 of 5 image files .*program\.png"):
        use(folder, tmp_path)
    assert not (tmp_path / "mark").exists()


def test_a_decompression_bomb_is_not_decoded(tmp_path, monkeypatch):
    """What may be decoded is bounded by the header alone."""
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail("was decoded"))
    with pytest.raises(UserError, match="has more pixels than the limit of 178,956,970"):
        read_image(write(tmp_path / "bomb.png", png_of(60_000, 60_000)))


def test_prepare_knows_the_flags_that_its_advice_names(call, tmp_path_factory):
    folder = write_images(tmp_path_factory.mktemp("raw"))
    write(folder / "text.png", BROKEN_PICTURES["text.png"]())
    sentence(call(prepare, folder), "or raise --data.skip-share")
    code, out, _ = call(prepare, folder, "--data.skip-share", "0.2")
    assert code == 0
    assert "1 unreadable" in out


def test_an_image_above_the_limit_is_distinguished_from_damage(call, tmp_path_factory):
    folder = write_images(tmp_path_factory.mktemp("raw"))
    write(folder / "bomb.png", png_of(60_000, 60_000))
    sentence(call(prepare, folder), "bomb.png: it has more pixels than the limit of 178,956,970, namely 3,600,000,000")


def test_a_table_of_attributes_is_named_by_a_flag_of_prepare(call, tmp_path_factory):
    folder = write_images(tmp_path_factory.mktemp("raw"))
    table = tmp_path_factory.mktemp("table") / "t.csv"
    table.write_text("file,hat\n" + "".join(f"{i:03d}.png,{i % 2}\n" for i in range(10)))
    code, out, _ = call(prepare, folder, "--attributes", table)
    assert code == 0
    assert "hat" in out
