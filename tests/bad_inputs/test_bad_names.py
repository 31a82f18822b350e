"""Folders and files with names that are odd, hostile or impossible, and links that lead in circles."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from corpus import sentence, tree, untrained_run, write, write_images
from PIL import Image

import jaxvae.train
from jaxvae import Config, DataConfig
from jaxvae.errors import UserError, printable
from jaxvae.interpolate import interpolate
from jaxvae.prepare import prepare
from jaxvae.reconstruct import reconstruct
from jaxvae.rendering.grid import save_png
from jaxvae.sample import sample

LONG = "n" * 300
ODD = {
    "spaces": "my pictures (copy)",
    "other letters": "café 写真 🙂",
    "newline": "two\nlines",
    "terminal": "\x1b[31mred\x1b]0;title\x07",
    "right to left": "a\u202egnp.b",
    "option": "--out=x.png",
    "quotes": 'it\'s "quoted" $(touch mark) `touch mark`',
    "dots": "a..b..",
    "no UTF-8": os.fsdecode(b"caf\xe9\xff"),
    "longest": "写" * 80,
}


@pytest.fixture(scope="module")
def run(disc_set, tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs") / "run", disc_set)


def shown(text):
    return all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize("name", ODD)
def test_a_folder_and_images_with_any_name_are_prepared(call, tmp_path_factory, name):
    folder = write_images(tmp_path_factory.mktemp("raw") / ODD[name])
    Image.new("RGB", (9, 9), "red").save(folder / f"{ODD[name][:70]}.png")
    for arguments in ((folder,), ("folder", "--raw", folder)):
        code, out, err = call(prepare, *arguments, "--size", 4)
        assert (code, err) == (0, "")
        assert "9 train, 1 validation, 1 test" in out
        assert shown(out)
    assert len(list(Path("data").iterdir())) == 1  # Two ways to say the same.
    assert "mark" not in os.listdir()


@pytest.mark.parametrize("name", ODD)
def test_an_unreadable_image_with_any_name_is_reported_in_one_line(call, tmp_path_factory, name):
    folder = write_images(tmp_path_factory.mktemp("raw") / ODD[name])
    write(folder / f"{ODD[name][:70]}.png", b"")
    sentence(call(prepare, folder), printable(f"{ODD[name][:70]}.png"))


@pytest.mark.parametrize("name", ODD)
def test_a_missing_name_is_reported_in_one_line(call, run, name):
    odd = ODD[name]
    sentence(call(prepare, f"./{odd}"), f"folder {printable(odd)} does not exist")
    sentence(call(prepare, f"./{odd}.npy"), "does not exist")
    sentence(call(sample, f"./{odd}"), "does not exist")
    sentence(call(reconstruct, run, f"./{odd}"), "has no attribute" if "=" in odd else "no image matches")
    sentence(call("train", f"./{odd}.py"), "there is no experiment")


@pytest.mark.parametrize("name", [LONG, f"{LONG}.npy", f"{LONG}/{LONG}", "~nobody-of-this-name/pictures"])
def test_impossible_file_names_are_refused(call, run, name):
    sentence(call(prepare, name))
    sentence(call(prepare, "folder", "--raw", name), name[:20])
    sentence(call(prepare, "celeb_a", "--raw", name), name[:20])
    sentence(call("train", "--data.name", name))
    sentence(call("train", f"./{name}.py"), "there is no experiment")
    sentence(call(sample, f"./{name}"), "does not exist")
    sentence(call(reconstruct, run, f"./{name}"), "no image matches")


def test_a_result_with_an_impossible_file_name_is_refused(call, run):
    for name in (f"{LONG}.png", f"{LONG}/x.png"):
        sentence(call(sample, run, "--n", 1, "--out", name), "cannot be written: File name too long")
    with pytest.raises(UserError, match="cannot be written: File name too long"):
        save_png(Image.new("L", (1, 1)), Path(f"new/{LONG}.png"))
    assert os.listdir() == []


def test_a_run_named_after_an_unknown_users_home_is_reported(call):
    with pytest.raises(ValueError, match=r"cannot expand .*: no such user"):
        str(Config(data=DataConfig(name="~nobody-of-this-name")).title)


@pytest.mark.parametrize("name", ["spaces", "other letters", "option", "quotes", "newline", "terminal"])
def test_a_run_folder_and_an_image_may_have_any_name(call, run, tmp_path, name):
    place = shutil.copytree(run, tmp_path / "runs" / ODD[name])
    Image.new("RGB", (30, 20), "red").save(ODD[name] + ".jpg")
    code, out, err = call(interpolate, place, "--from", f"./{ODD[name]}.jpg", "--to", "test:0", "--steps", 2)
    assert (code, err) == (0, "")
    assert shown(out)
    (made,) = (place / "samples").iterdir()
    assert made.suffix == ".png"
    assert "x.png" not in os.listdir()
    assert all(shown(printable(line)) for line in jaxvae.train.suggestions(place, Config()))


def test_circular_links_are_reported(call, run, tmp_path_factory):
    folder = write_images(tmp_path_factory.mktemp("raw") / "pets")
    (folder / "self").symlink_to(folder)
    (folder / "up").symlink_to("..")
    code, out, _ = call(prepare, folder, "--size", 4)
    assert (code, "8 train, 1 validation, 1 test" in out) == (0, True)
    shutil.rmtree("data")
    (folder / "a.png").symlink_to("b.png")
    (folder / "b.png").symlink_to("a.png")
    (folder / "dangling.png").symlink_to("nowhere.png")
    sentence(call(prepare, folder), "3 of 13 image files", "a.png, b.png, dangling.png")
    sentence(call(reconstruct, run, folder / "a.png"), "no image matches")
    (folder.parent / "circle").symlink_to("circle")
    # Python 3.13 no longer says that links go round in a circle; nothing is there either way.
    sentence(
        call(prepare, folder.parent / "circle"),
        "circle cannot be found" if sys.version_info < (3, 13) else "does not exist",
    )
    sentence(call(prepare, "folder", "--raw", folder.parent / "circle"), "circle")
    sentence(call(sample, folder.parent / "circle"), "does not exist")


def test_a_folder_too_deep_to_read_is_reported(call, tmp_path_factory):
    """What cannot be entered is not passed over: as root everything else can be."""
    top = tmp_path_factory.mktemp("raw")
    write_images(top)
    here = os.open(top, os.O_RDONLY)
    for _ in range(18):
        os.mkdir("d" * 250, dir_fd=here)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    before = os.listdir(top)
    sentence(call(prepare, top), "cannot be read (File name too long)")
    assert os.listdir(top) == before


def test_community_builders_are_not_fetched(call, monkeypatch):
    monkeypatch.setattr("tensorflow_datasets.core.community.community_register", lambda: pytest.fail("was asked"))
    sentence(call(prepare, "huggingface:mnist"), "no dataset, folder or array file", "huggingface:mnist")


def test_the_source_images_are_left_unchanged(call, tmp_path_factory):
    folder = write_images(tmp_path_factory.mktemp("raw"))
    before = tree(folder)
    assert call(prepare, folder)[0] == 0
    assert tree(folder) == before
