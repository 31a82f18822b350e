import gzip
import os
import struct

import numpy as np
import pytest
from source_files import read

from jaxvae.data.sources.base import SPLITS
from jaxvae.data.sources.kinds import Container, source_named
from jaxvae.errors import UserError


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def images(count):
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, 5, 4))


def write(folder, packed=False, labels=True, dots=False):
    files = {"train-images-idx3-ubyte": images(10), "t10k-images-idx3-ubyte": images(4)}
    if labels:
        files |= {"train-labels-idx1-ubyte": np.arange(10), "t10k-labels-idx1-ubyte": np.arange(4)}
    for name, array in files.items():
        name = name.replace("-idx", ".idx") if dots else name
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array), mtime=0))
        else:
            (folder / name).write_bytes(idx(array))
    return folder


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("dots", [False, True])
def test_the_four_files_of_mnist(tmp_path, packed, labels, dots):
    path = write(tmp_path, packed, labels, dots)
    assert isinstance(source_named(str(path)), Container)
    source, found = read(path)
    assert source.attributes == (("label",) if labels else ())
    assert [len(found[split]) for split in SPLITS] == [8, 2, 4]
    for split in SPLITS:
        for image, attributes in found[split]:
            assert image.shape == (5, 4, 1)
            assert attributes == ((image[0, 0, 0],) if labels else ())


def test_packed_and_unpacked_files_in_one_folder(tmp_path):
    write(write(tmp_path), packed=True)
    assert [len(examples) for examples in read(tmp_path)[1].values()] == [8, 2, 4]


@pytest.mark.parametrize("name", ["a.idx", "a-images-idx3-ubyte", "anything", "packed.gz"])
def test_a_single_file(tmp_path, name):
    data = idx(images(5))
    (tmp_path / name).write_bytes(gzip.compress(data, mtime=0) if name.endswith("gz") else data)
    source, found = read(tmp_path / name)
    assert [len(found[split]) for split in SPLITS] == [3, 1, 1]
    assert source.attributes == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (idx(np.arange(5)), "has 1 dimensions; expected images"),
        (idx(images(5))[:-1], "is incomplete: its header declares 100 bytes, but it has 99"),
        (struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3), "is incomplete"),
        (struct.pack(">HBB", 0, 8, 255), "declares 1 bytes"),
        (b"\0\0\x0d\3" + bytes(40), "not an idx file of bytes"),
        (gzip.compress(idx(images(5)), mtime=0)[:-20], "damaged or incomplete"),
        (idx(images(2)), "has 2 images"),
    ],
)
def test_files_that_will_not_do(tmp_path, data, message):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(data)
    for path in (tmp_path, tmp_path / "train-images-idx3-ubyte"):
        with pytest.raises(UserError, match=message):
            read(path)


def test_labels_that_do_not_fit(tmp_path):
    write(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(9)))
    with pytest.raises(UserError, match="10 images, but 9 labels"):
        read(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(UserError, match="labels for some images only"):
        read(tmp_path)
    os.mkfifo(tmp_path / "train-labels-idx1-ubyte")
    with pytest.raises(UserError, match="cannot be read as idx files"):
        read(tmp_path)


def test_a_gzip_bomb_is_refused(tmp_path, monkeypatch):
    from jaxvae.data.sources.containers import contents

    (tmp_path / "a.idx.gz").write_bytes(gzip.compress(idx(images(5)) + bytes(2**24)))
    monkeypatch.setattr(contents, "free_memory", lambda: 2**22)
    with pytest.raises(UserError, match="half may be taken"):
        read(tmp_path / "a.idx.gz")
