import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image
from source_files import read

from jaxvae.data.sources.base import SPLITS
from jaxvae.data.sources.kinds import Container, source_named
from jaxvae.errors import UserError


def png(value):
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def write_shard(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def labelled(values, label):
    """Images and labels under keys that begin anew in every shard."""
    pairs = [{f"{i:04}.png": png(value), f"{i:04}{label}": str(value).encode()} for i, value in enumerate(values)]
    return {name: data for pair in pairs for name, data in pair.items()}


@pytest.mark.parametrize(("suffix", "mode"), [(".tar", "w"), (".tar.gz", "w:gz")])
def test_shards_with_labels_and_splits(tmp_path, suffix, mode):
    for number, values in enumerate([range(4), range(4, 8)]):
        write_shard(tmp_path / f"train-{number:06}{suffix}", labelled(values, ".cls"), mode)
    write_shard(tmp_path / f"val-000000{suffix}", labelled([20, 21], ".cls"), mode)
    write_shard(tmp_path / f"test-000000{suffix}", labelled([30], ".cls"), mode)
    (tmp_path / "README.md").write_text("about the shards")
    assert isinstance(source_named(str(tmp_path)), Container)
    source, found = read(tmp_path)
    assert source.attributes == ("label",)
    values = {split: sorted(int(each.image[0, 0, 0]) for each in found[split]) for split in SPLITS}
    assert values == {"train": list(range(8)), "validation": [20, 21], "test": [30]}
    assert all(each.attributes == (int(each.image[0, 0, 0]),) for split in SPLITS for each in found[split])


def test_shards_of_one_split_without_labels(tmp_path):
    for number in range(3):
        write_shard(tmp_path / f"faces-{number:03}.tar", {f"{i}.png": png(10 * number + i) for i in range(4)})
    source, found = read(tmp_path)
    assert source.attributes == ()
    assert sum(map(len, found.values())) == 12


def test_labels_as_json(tmp_path):
    members = {"a.png": png(3), "a.json": json.dumps({"label": 3}).encode()}
    for number in range(3):
        write_shard(tmp_path / f"x-{number:05}.tar", members)
    assert [each.attributes for each in read(tmp_path)[1]["train"]] == [(3,)]


def test_damaged_and_empty_shards(tmp_path):
    write_shard(tmp_path / "a-000000.tar", labelled(range(3), ".cls"))
    (tmp_path / "a-000001.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(UserError, match=r"cannot be read as shards of WebDataset .* damaged"):
        read(tmp_path)
    write_shard(tmp_path / "a-000001.tar", {})
    with pytest.raises(UserError, match=r"a-000001\.tar is empty"):
        read(tmp_path)
