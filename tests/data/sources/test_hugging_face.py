"""Data sets of the Hugging Face Hub: saved to disk, and by name (here a local folder, which the library also takes)."""

import json
import sys

import datasets
import numpy as np
import pytest
from PIL import Image
from source_files import read

from jaxvae import DataConfig
from jaxvae.data.prepare import prepare
from jaxvae.data.sources.base import SPLITS
from jaxvae.data.sources.kinds import Container, HuggingFace, source_named
from jaxvae.errors import UserError

NAMES = ["cat", "dog", "frog"]


@pytest.fixture(autouse=True)
def _offline(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


def data_set(values):
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES), "smiles": datasets.Value("bool")}
    )
    columns = {
        "image": [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in values],
        "label": [value % 3 for value in values],
        "smiles": [value % 2 == 1 for value in values],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def check(source, found, counts):
    assert source.attributes == ("label", "smiles")
    assert source.classes == {"label": tuple(NAMES)}
    assert [len(found[split]) for split in SPLITS] == counts
    for split in SPLITS:
        for image, attributes in found[split]:
            value = int(image[0, 0, 0])
            assert attributes == (value % 3, value % 2)


def test_a_data_set_with_splits_saved_to_disk(tmp_path):
    splits = {"train": data_set(range(6)), "validation": data_set([7, 8]), "test": data_set([9])}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "set", num_shards={"train": 2, "validation": 1, "test": 1})
    assert isinstance(source_named(str(tmp_path / "set")), Container)
    check(*read(tmp_path / "set"), [6, 2, 1])


def test_one_split_saved_to_disk(tmp_path):
    data_set(range(10)).save_to_disk(tmp_path / "set")
    check(*read(tmp_path / "set"), [8, 1, 1])


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("dataset_dict.json", {"splits": ["train", "../elsewhere"]}, "names the file '../elsewhere'"),
        ("dataset_dict.json", {"splits": ["train", "extra"]}, "has the split 'extra'"),
        ("dataset_dict.json", {"splits": 3}, "has no list 'splits'"),
        ("dataset_dict.json", [], "has no list 'splits'"),
        ("train/state.json", {"_data_files": [{"filename": "/etc/passwd"}]}, "names the file '/etc/passwd'"),
        ("train/state.json", {"_data_files": [3]}, "names the file None"),
        ("train/state.json", {"_data_files": [{"filename": "no.arrow"}]}, "cannot be read as a data set"),
    ],
)
def test_saved_data_sets_that_are_not_whole(tmp_path, file, content, message):
    datasets.DatasetDict({"train": data_set(range(10)), "extra": data_set([1])}).save_to_disk(tmp_path / "set")
    (tmp_path / "set" / file).write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        read(tmp_path / "set")


def test_damaged_tables_are_refused_or_read(tmp_path):
    data_set(range(10)).save_to_disk(tmp_path / "set")
    (path,) = (tmp_path / "set").glob("*.arrow")
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 4):
            data[place] = rng.integers(256)
        path.unlink()  # Never written to while it is mapped.
        path.write_bytes(data)
        try:
            read(tmp_path / "set")
        except UserError:
            refused += 1
    assert refused > 10


def test_a_data_set_by_name(tmp_path):
    folder = tmp_path / "hub"
    for split, values in {"train": range(6), "test": [7, 8]}.items():
        folder.mkdir(exist_ok=True)
        data_set(values).to_parquet(folder / f"{split}.parquet")
    source = source_named(f"hf:{folder}")
    assert source == HuggingFace(name=str(folder))
    check(*read(f"hf:{folder}"), [5, 1, 2])
    prepared = prepare(DataConfig(source=f"hf:{folder}", size=None, root=str(tmp_path / "data")))
    assert prepared.info["origin"]["hugging_face"] == str(folder)
    assert prepare(DataConfig(source=f"hf:{folder}", size=None, root=str(tmp_path / "data"))).path == prepared.path


def test_images_that_the_library_keeps_as_files(tmp_path):
    for split in ("train", "test"):
        for i in range(4):
            folder = tmp_path / "hub" / split / NAMES[i % 3]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8), i, np.uint8)).save(folder / f"{i}.png")
    source, found = read(f"hf:{tmp_path / 'hub'}")
    assert source.classes == {"label": tuple(NAMES)}
    assert sorted((int(each.image[0, 0, 0]), *each.attributes) for each in found["test"]) == [
        (0, 0), (1, 1), (2, 2), (3, 0)
    ]  # fmt: skip


def test_names_that_cannot_be_loaded(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"hf:nobody/nothing cannot be loaded \(.*\); check the name"):
        read("hf:nobody/nothing")
    with pytest.raises(UserError, match=r"data\.raw is 'x', but hf:a/b is downloaded"):
        DataConfig(name="hf:a/b", raw="x")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"pip install 'jaxvae\[hugging-face\]'"):
        read("hf:a/b")
