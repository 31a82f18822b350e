import logging

import numpy as np
import pytest
from PIL import Image

from jaxvae import DataConfig
from jaxvae.data.prepare import prepare
from jaxvae.data.sources.base import SPLITS
from jaxvae.errors import UserError


def fill(path, count, mode="RGB", size=(10, 8), suffix=".png"):
    path.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("L", size, i).convert(mode).save(path / f"{i:03d}{suffix}")
    return path


def config(path, **fields):
    return DataConfig(**{"name": "folder", "raw": str(path), "size": 8} | fields)


def build(config):
    return config.source.build(config)


def read(source):
    return {split: list(source.splits[split]()) for split in SPLITS}


def values(examples):
    return [int(example.image[0, 0, 0]) for example in examples]


def test_three_splits_contain_each_image_once(tmp_path):
    found = read(build(config(fill(tmp_path / "a", 20))))
    assert {split: len(examples) for split, examples in found.items()} == {"train": 16, "validation": 2, "test": 2}
    assert sorted(each for examples in found.values() for each in values(examples)) == list(range(20))
    assert values(found["train"]) == values(read(build(config(tmp_path / "a")))["train"])


def test_any_size_and_mode_becomes_one_shape(tmp_path):
    path = tmp_path / "mixed"
    for i, mode in enumerate(["L", "1", "RGBA", "P", "CMYK", "LA", "I;16", "RGB"]):
        image = (
            Image.fromarray(np.full((9, 5 + i), 30000, np.uint16)) if mode == "I;16" else Image.new(mode, (5 + i, 9))
        )
        path.mkdir(exist_ok=True)
        image.save(path / f"{i}.{'jpg' if mode == 'CMYK' else 'png'}")
    examples = [each for examples in read(build(config(path, size=6))).values() for each in examples]
    assert len(examples) == 8
    assert {example.image.shape for example in examples} == {(6, 6, 3)}


def test_grey_images_stay_grey(tmp_path):
    examples = read(build(config(fill(tmp_path / "grey", 3, "L"))))["train"]
    assert examples[0].image.shape == (8, 8, 1)


def test_nested_folders_are_labels(tmp_path):
    fill(tmp_path / "pets" / "dogs" / "small", 4)
    fill(tmp_path / "pets" / "cats", 4, "L")
    source = build(config(tmp_path / "pets"))
    assert source.attributes == ("label",)
    assert source.classes == {"label": ("cats", "dogs/small")}
    labels = [example.attributes for examples in read(source).values() for example in examples]
    assert sorted(labels) == [(0,)] * 4 + [(1,)] * 4


def test_labels_stay_with_their_images(tmp_path):
    fill(tmp_path / "n" / "a", 6)
    for i in range(6):
        (tmp_path / "n" / "b").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (200 + i,) * 3).save(tmp_path / "n" / "b" / f"{i}.png")
    for examples in read(build(config(tmp_path / "n"))).values():
        assert [value >= 200 for value in values(examples)] == [each.attributes == (1,) for each in examples]


def test_a_single_subfolder_is_not_a_label(tmp_path):
    fill(tmp_path / "all" / "only", 3)
    source = build(config(tmp_path / "all"))
    assert source.attributes == ()
    assert source.classes == {}


def test_other_and_hidden_files_are_ignored(tmp_path, caplog):
    path = fill(tmp_path / "a", 3)
    (path / "notes.txt").write_text("hello")
    (path / "._000.png").write_text("what macOS leaves")
    fill(path / ".thumbnails", 2)
    source = build(config(path))
    assert sum(len(examples) for examples in read(source).values()) == 3
    assert source.origin["files"] == 3
    assert caplog.records == []


def test_the_content_decides_not_the_name(tmp_path):
    path = fill(tmp_path / "a", 3)
    Image.new("RGB", (9, 9), "red").save(path / "really_a_jpeg.png", format="jpeg")
    assert sum(len(examples) for examples in read(build(config(path))).values()) == 4


def test_unreadable_files_are_listed_counted_and_skipped(tmp_path, caplog):
    path = fill(tmp_path / "a", 30)
    (path / "text.png").write_text("no picture")
    Image.effect_noise((80, 80), 60).save(path / "cut.png")
    (path / "cut.png").write_bytes((path / "cut.png").read_bytes()[:3000])
    with caplog.at_level(logging.WARNING, "jaxvae"):
        prepared = prepare(config(path, skip_share=0.1, root=str(tmp_path / "data")))
    assert sum(split["n"] for split in prepared.info["splits"].values()) == 30
    assert sorted(prepared.info["origin"]["unreadable"]) == ["cut.png", "text.png"]
    (record,) = caplog.records
    assert "2 of 32 image files" in record.getMessage()
    assert "text.png" in record.getMessage()


@pytest.mark.parametrize("damage", ["text", "cut"])
def test_too_many_unreadable_files_are_an_error(tmp_path, damage):
    path = fill(tmp_path / "a", 30)
    Image.effect_noise((80, 80), 60).save(path / "bad.png")
    (path / "bad.png").write_bytes(b"no picture" if damage == "text" else (path / "bad.png").read_bytes()[:3000])
    with pytest.raises(UserError, match=r"1 of 31 image files in .*bad\.png.*0\.01.*--data\.skip-share"):
        prepare(config(path, root=str(tmp_path / "data")))
    assert not (tmp_path / "data").exists()


def test_images_of_different_shapes_need_a_size(tmp_path):
    path = fill(tmp_path / "a", 5)
    Image.new("RGB", (3, 3)).save(path / "other.png")
    with pytest.raises(UserError, match=r"differ in shape.*--data\.size"):
        prepare(config(path, size=None, root=str(tmp_path / "data")))
    assert not (tmp_path / "data").exists()


def test_empty_missing_and_unnamed_folders(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no image files"):
        build(config(tmp_path / "empty"))
    with pytest.raises(UserError, match=r"folder .*absent does not exist"):
        build(config(tmp_path / "absent"))
    with pytest.raises(UserError, match=r"--data\.raw DIR"):
        build(DataConfig(name="folder"))
    with pytest.raises(UserError, match="has 2 images"):
        build(config(fill(tmp_path / "two", 2)))


def test_the_name_may_be_the_folder(tmp_path):
    prepared = prepare(DataConfig(name=str(fill(tmp_path / "mine", 10)), size=4, root=str(tmp_path / "data")))
    assert prepared.shape == (4, 4, 3)
    assert prepared.path.name.startswith("mine-4-")
