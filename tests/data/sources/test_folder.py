import logging

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from jaxvae import DataConfig, Folder
from jaxvae.data.prepare import prepare
from jaxvae.data.select import select
from jaxvae.data.sources import folder_files
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
    assert [record.message for record in caplog.records] == [
        f"skipped in {path}: files that are not images: 1 (notes.txt)."
    ]


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


def deep(path, *arrays):
    path.mkdir(parents=True, exist_ok=True)
    for number, array in enumerate(arrays):
        Image.fromarray(array).save(path / f"{number}.tif")
    return path


def flat(value, dtype):
    return np.full((8, 8), value, dtype)


@pytest.mark.parametrize(
    ("values", "dtype", "expected", "chosen"),
    [
        ([0, 100, 255], np.uint16, [0, 100, 255], [0, 255]),
        ([0, 256, 4095], np.uint16, [0, 16, 255], [0, 4095]),
        ([0, 256, 4096], np.uint16, [0, 1, 16], [0, 65535]),
        ([0, 100, 256], np.int32, [0, 6, 16], [0, 4095]),
        ([0.0, 0.5, 1.0], np.float32, [0, 128, 255], [0, 1]),
        ([0.0, 0.1, 0.2], np.float32, [0, 26, 51], [0, 1]),
    ],
)
def test_deep_images_have_one_scale_for_the_whole_folder(tmp_path, caplog, values, dtype, expected, chosen):
    path = deep(tmp_path / "deep", *(flat(value, dtype) for value in values))
    with caplog.at_level("WARNING", logger="jaxvae"):
        prepared = prepare(config(path, root=str(tmp_path / "data")))
    images = np.concatenate([prepared.split(split).images for split in SPLITS])
    assert sorted(images[:, 0, 0, 0].tolist()) == expected
    assert prepared.info["origin"]["value_range"] == chosen
    assert f"scaled from {chosen[0]}..{chosen[1]}" in caplog.text
    assert "value_range" not in prepared.info["recipe"]


@pytest.mark.parametrize(
    ("values", "dtype", "guess"),
    [
        ([-1.0, 0.0, 1.0], np.float32, "-1 1"),
        ([0.0, 10.0, 200.0], np.float32, "0 255"),
        ([0, 5, 70_000], np.int32, "0 70000"),
        ([-5, 0, 5], np.int32, "0 255"),
    ],
)
def test_a_range_that_cannot_be_known_is_asked_for_and_obeyed(tmp_path, values, dtype, guess):
    path = deep(tmp_path / "deep", *(flat(value, dtype) for value in values))
    if dtype == np.int32 and min(values) < 0:
        guess = "-5 5"
    with pytest.raises(UserError, match=rf"--data.value-range {guess}"):
        build(config(path))
    low, high = map(float, guess.split())
    examples = read(build(config(path, value_range=(low, high))))
    found = sorted(int(each.image[0, 0, 0]) for part in examples.values() for each in part)
    assert found == [round(255 * (value - low) / (high - low)) for value in values]


def test_a_file_given_later_has_the_scale_of_the_data_set(tmp_path):
    path = deep(tmp_path / "deep", *(flat(value, np.uint16) for value in (0, 256, 4095)))
    prepared = prepare(config(path, root=str(tmp_path / "data")))
    deep(tmp_path / "later", flat(2048, np.uint16))
    assert int(select(str(tmp_path / "later" / "0.tif"), prepared.data)[0, 0, 0]) == 128


def test_folders_of_splits_are_splits_and_the_folders_below_them_labels(tmp_path, caplog):
    for folder, count in {"train/cats": 6, "train/dogs": 5, "val/cats": 2, "val/dogs": 1, "test/dogs": 3}.items():
        fill(tmp_path / "a" / folder, count)
    with caplog.at_level("WARNING", logger="jaxvae"):
        source = build(config(tmp_path / "a"))
    assert {split: len(examples) for split, examples in read(source).items()} == {
        "train": 11,
        "validation": 3,
        "test": 3,
    }
    assert (source.attributes, source.classes) == (("label",), {"label": ("cats", "dogs")})
    assert [example.attributes for example in source.splits["test"]()] == [(1,)] * 3
    assert f"using the folders test, train, validation of {tmp_path / 'a'} as its splits." in caplog.text


def test_a_missing_split_is_drawn_from_train(tmp_path):
    for folder, count in {"train": 20, "valid": 4}.items():
        fill(tmp_path / "a" / folder, count)
    source = build(config(tmp_path / "a"))
    assert {split: len(examples) for split, examples in read(source).items()} == {
        "train": 16,
        "validation": 4,
        "test": 4,
    }
    assert source.attributes == ()


@pytest.mark.parametrize("folders", [{"train": 10, "extra": 3}, {"train": 10}, {"val": 5, "test": 5}])
def test_other_folders_beside_train_are_no_splits(tmp_path, folders):
    for folder, count in folders.items():
        fill(tmp_path / "a" / folder, count)
    assert "drawn at random" in build(config(tmp_path / "a")).origin["splits"]["test"]


def test_linked_folders_are_read_once_and_never_from_elsewhere(tmp_path, caplog):
    root = tmp_path / "a"
    fill(root / ".store" / "cats", 6)
    fill(root / "dogs", 6)
    fill(tmp_path / "elsewhere", 9)
    (root / "cats").symlink_to(".store/cats")
    (root / "dogs again").symlink_to("dogs")
    (root / "dogs" / "loop").symlink_to("..")
    (root / "out").symlink_to(tmp_path / "elsewhere")
    with caplog.at_level("WARNING", logger="jaxvae"):
        source = build(config(root))
    assert sum(map(len, read(source).values())) == 12
    assert source.classes["label"] == ("cats", "dogs")
    assert "links to other places: 1 (out)" in caplog.text


def test_images_without_a_suffix_are_known_by_their_first_bytes(tmp_path):
    root = fill(tmp_path / "a", 4)
    for path in sorted(root.iterdir())[:3]:
        path.rename(path.with_suffix(""))
    (root / "README").write_text("not an image")
    source = build(config(root))
    assert sum(map(len, read(source).values())) == 4


def test_heic_is_read_or_named_with_its_extra(tmp_path, caplog, monkeypatch):
    root = fill(tmp_path / "a", 4)
    pillow_heif.register_heif_opener()
    Image.new("RGB", (64, 64), "red").save(root / "phone.heic")
    assert sum(map(len, read(build(config(root))).values())) == 5
    monkeypatch.setattr(folder_files, "formats", lambda: ("PNG", "JPEG"))
    with caplog.at_level("WARNING", logger="jaxvae"):
        assert sum(map(len, read(build(config(root))).values())) == 4
    assert "HEIC images (pip install 'jaxvae[heic]' opens them): 1 (phone.heic)" in caplog.text


def test_bystanders_are_counted_and_not_taken_for_broken_images(tmp_path, caplog):
    root = fill(tmp_path / "a", 20)
    for name in ("attributes.h5", "clip.mpg", "notes.txt", "list.csv"):
        (root / name).write_bytes(b"x" * 100)
    with caplog.at_level("WARNING", logger="jaxvae"):
        assert sum(map(len, read(build(config(root))).values())) == 20
    assert "files that are not images: 4 (attributes.h5, clip.mpg, list.csv, …)" in caplog.text


def test_what_the_program_wrote_is_no_input(tmp_path, monkeypatch):
    monkeypatch.chdir(fill(tmp_path / "images", 20))
    made = [prepare(config(".", root="data"))]
    (tmp_path / "images" / "runs" / "own" / "samples").mkdir(parents=True)
    (tmp_path / "images" / "runs" / "own" / "config.json").write_text("{}")
    (tmp_path / "images" / "runs" / "own" / "metrics.jsonl").write_text("")
    Image.new("L", (8, 8)).save(tmp_path / "images" / "runs" / "own" / "samples" / "x.png")
    made += [prepare(config(".", root="data")) for _ in range(2)]
    assert {each.path for each in made} == {made[0].path}
    assert len(list((tmp_path / "images" / "data").iterdir())) == 1
    assert "label" not in made[0].attributes


def test_images_at_the_top_have_a_label_that_is_a_word(tmp_path):
    root = fill(tmp_path / "a", 5)
    fill(root / "b", 5)
    assert build(config(root)).classes["label"] == ("b", "top-level")


def test_train_alone_is_a_split_whose_folders_are_labels(tmp_path):
    fill(tmp_path / "a" / "train" / "cats", 10)
    fill(tmp_path / "a" / "train" / "dogs", 10)
    source = build(config(tmp_path / "a"))
    assert source.classes == {"label": ("cats", "dogs")}
    assert [len(examples) for examples in read(source).values()] == [16, 2, 2]


def test_images_outside_of_the_splits_are_passed_over_and_counted(tmp_path, caplog):
    for folder, count in {"train": 10, "test": 3, "sample": 2, ".": 1}.items():
        fill(tmp_path / "a" / folder, count)
    with caplog.at_level("WARNING", logger="jaxvae"):
        source = build(config(tmp_path / "a"))
    assert [len(examples) for examples in read(source).values()] == [8, 2, 3]
    assert "3 images outside of the splits (000.png, sample/000.png, sample/001.png)" in caplog.text


def test_train_beside_other_vehicles_is_a_class(tmp_path):
    for folder in ("train", "bus", "car"):
        fill(tmp_path / "a" / folder, 4)
    assert build(config(tmp_path / "a")).classes == {"label": ("bus", "car", "train")}


def test_a_prepared_data_set_is_not_prepared_again(tmp_path):
    prepared = prepare(config(fill(tmp_path / "a", 10), root=str(tmp_path / "data")))
    with pytest.raises(UserError, match="is a run or a prepared data set of jaxvae's own"):
        build(config(prepared.path))


def test_an_edited_table_elsewhere_is_read_again(tmp_path):
    fill(tmp_path / "a", 10)
    table = tmp_path / "elsewhere.csv"

    def attributes(cell):
        table.write_text("file,hat\n" + "".join(f"{i:03d}.png,{cell}\n" for i in range(10)))
        source = Folder(path=str(tmp_path / "a"), attributes=str(table))
        prepared = prepare(DataConfig(source=source, size=8, root=str(tmp_path / "data")))
        return set(prepared.split("train").attributes[:, 0].tolist())

    assert [attributes("0"), attributes("1")] == [{0}, {1}]


def test_values_that_are_not_numbers_are_not_black(tmp_path):
    (tmp_path / "a").mkdir()
    for i in range(10):
        value = np.nan if i == 3 else i / 10
        Image.fromarray(np.full((8, 8), value, np.float32)).save(tmp_path / "a" / f"{i}.tif")
    with pytest.raises(UserError, match=r"1 of 10 image files .*3\.tif"):
        build(config(tmp_path / "a"))
