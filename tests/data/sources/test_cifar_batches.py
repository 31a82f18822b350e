import io
import os
import pickle
import tarfile

import numpy as np
import pytest
from source_files import read

from jaxvae.data.sources.base import SPLITS
from jaxvae.data.sources.kinds import Container, source_named
from jaxvae.errors import UserError


def batch(start, count, **columns):
    data = np.zeros((count, 3, 32, 32), np.uint8)
    data[:] = np.arange(start, start + count)[:, None, None, None]
    data[:, 2] += 100
    named = columns or {"labels": [i % 10 for i in range(start, start + count)]}
    return {"data": data.reshape(count, -1), "filenames": ["a"] * count, "batch_label": "one"} | named


def ten():
    files = {f"data_batch_{i}": batch(4 * i, 4) for i in range(1, 6)} | {"test_batch": batch(50, 3)}
    return files | {"batches.meta": {"label_names": [f"n{i}" for i in range(10)], "num_vis": 3072}}


def write(folder, files):
    folder.mkdir(exist_ok=True)
    for name, value in files.items():
        (folder / name).write_bytes(pickle.dumps(value, 2))
    return folder


def pack(path, files, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, value in files.items():
            data = pickle.dumps(value, 2)
            member = tarfile.TarInfo(f"cifar/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("kind", ["folder", "tar", "gz"])
def test_the_batches_of_cifar10(tmp_path, kind):
    if kind == "folder":
        path = write(tmp_path / "c", ten())
    else:
        path = pack(tmp_path / f"c.tar.{kind}".replace(".tar.tar", ".tar"), ten(), "w" if kind == "tar" else "w:gz")
    assert isinstance(source_named(str(path)), Container)
    source, found = read(path)
    assert source.attributes == ("label",)
    assert source.classes == {"label": tuple(f"n{i}" for i in range(10))}
    assert [len(found[split]) for split in SPLITS] == [17, 3, 3]
    for split in SPLITS:
        for image, attributes in found[split]:
            assert image.shape == (32, 32, 3)
            assert attributes == (image[0, 0, 0] % 10,)
            assert image[5, 7].tolist() == [image[0, 0, 0], image[0, 0, 0], image[0, 0, 0] + 100]


def test_the_batches_of_cifar100(tmp_path):
    fine, coarse = list(range(6)), [0, 1, 0, 1, 0, 1]
    files = {name: batch(0, 6, fine_labels=fine, coarse_labels=coarse) for name in ("train", "test")}
    files["meta"] = {"fine_label_names": list("abcdef"), "coarse_label_names": ["x", "y"]}
    source, found = read(write(tmp_path / "c", files))
    assert source.attributes == ("label", "coarse_label")
    assert source.classes == {"label": tuple("abcdef"), "coarse_label": ("x", "y")}
    assert [each.attributes for each in found["test"]] == list(zip(fine, coarse, strict=True))


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("kind", ["folder", "tar"])
@pytest.mark.parametrize("where", ["data_batch_3", "batches.meta", "test_batch"])
def test_a_program_in_a_batch_is_refused_and_not_run(tmp_path, kind, where):
    files = ten()
    files[where]["data"] = Attack(tmp_path / "ran")
    path = write(tmp_path / "c", files) if kind == "folder" else pack(tmp_path / "c.tar.gz", files)
    with pytest.raises(UserError, match=r"is a pickle with (posix|os|nt)\.system; only arrays"):
        read(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data_batch_2": None}, "lacks data_batch_2"),
        ({"data_batch_2": [1]}, "expected a dictionary, but it is a list"),
        ({"data_batch_2": {"labels": [1]}}, "expected `data`, uint8"),
        ({"data_batch_2": {"data": np.zeros((3, 5), np.uint8)}}, "expected `data`, uint8"),
        ({"data_batch_2": batch(0, 3, labels=[1, 2])}, "has 3 images, but labels of shape"),
        ({"data_batch_2": batch(0, 3, labels=[1, 2, 40000])}, "labels from 0 to 40000"),
        ({"data_batch_2": batch(0, 3, fine_labels=[1, 2, 3])}, "different labels"),
    ],
)
def test_batches_that_will_not_do(tmp_path, change, message):
    files = {name: value for name, value in (ten() | change).items() if value is not None}
    with pytest.raises(UserError, match=message):
        read(write(tmp_path / "c", files))


def test_a_pipe_and_a_truncated_batch(tmp_path):
    path = write(tmp_path / "c", ten())
    data = (path / "data_batch_4").read_bytes()
    (path / "data_batch_4").write_bytes(data[:9000])
    with pytest.raises(UserError, match="may be damaged"):
        read(path)
    (path / "data_batch_4").unlink()
    os.mkfifo(path / "data_batch_4")
    with pytest.raises(UserError, match="cannot be read as batches of CIFAR"):
        read(path)
