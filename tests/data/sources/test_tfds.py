import gzip
import io
import json
import logging
import socket
import sys
import tarfile
import zipfile
from contextlib import ExitStack

import numpy as np
import pytest
from raw_celeba import ATTRIBUTES, face, make

from jaxvae import DataConfig
from jaxvae.data.images import crop_and_resize
from jaxvae.data.prepare import prepare
from jaxvae.data.sources.tfds.files import RawFiles
from jaxvae.data.sources.tfds.source import tfds_source
from jaxvae.errors import UserError

IDX = {"train": "train", "test": "t10k"}


@pytest.fixture(scope="session")
def raw_celeba(tmp_path_factory):
    return make(tmp_path_factory.mktemp("celeba"), 20)


@pytest.fixture
def celeba(raw_celeba, tmp_path):
    """A copy that a test may damage."""
    copy = tmp_path / "raw"
    copy.mkdir()
    for path in raw_celeba.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def config(name, raw, tmp_path, **fields):
    return DataConfig(**{"name": name, "raw": str(raw), "root": str(tmp_path / "data"), "size": None} | fields)


def idx(array):
    shape = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes()


def raw_mnist(folder, **counts):
    """Files in the layout of MNIST and Fashion-MNIST; returns the pictures and labels of each part."""
    folder.mkdir()
    made = {}
    for split, count in ({"train": 20, "test": 5} | counts).items():
        random = np.random.default_rng(count)
        images, labels = random.integers(0, 256, (count, 28, 28), np.uint8), random.integers(0, 10, count)
        made[split] = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            (folder / f"{IDX[split]}-{kind}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    return made


def test_celeba_from_raw_files(raw_celeba, tmp_path):
    prepared = prepare(config("celeb_a", raw_celeba, tmp_path, crop=148, size=32))
    assert {split: counts["n"] for split, counts in prepared.info["splits"].items()} == {
        "train": 16,
        "validation": 2,
        "test": 2,
    }
    assert sorted(prepared.attributes) == sorted(ATTRIBUTES)
    assert prepared.shape == (32, 32, 3)
    # Nothing of TFDS's own copy stays.
    assert [path.name for path in (tmp_path / "data").iterdir()] == [prepared.path.name]


def test_celeba_attributes_stay_with_their_faces(raw_celeba, tmp_path):
    prepared = prepare(config("celeb_a", raw_celeba, tmp_path, crop=148, size=32))
    images, attributes = prepared.split("train")
    drawn = [face(i) for i in range(16)]
    expected = np.stack([crop_and_resize(image, crop=148, size=32, color="keep") for image, _ in drawn]).astype(int)
    matched = set()
    for image, row in zip(images, attributes, strict=True):
        nearest = int(np.abs(expected - image.astype(int)).mean((1, 2, 3)).argmin())
        assert np.abs(expected[nearest] - image.astype(int)).mean() < 8  # What JPEG does to it.
        seen = drawn[nearest][1]
        assert dict(zip(prepared.attributes, row.tolist(), strict=True)) == {k: int(v) for k, v in seen.items()}
        matched.add(nearest)
    assert matched == set(range(16))


def test_the_alias_and_the_warning_about_sizes(raw_celeba, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "jaxvae"):
        source = tfds_source("celeba", str(raw_celeba), config("celeba", raw_celeba, tmp_path))
    source.close()
    (message,) = [record.getMessage() for record in caplog.records if record.name == "jaxvae"]
    size = (raw_celeba / "list_attr_celeba.txt").stat().st_size
    assert f"list_attr_celeba.txt has {size} bytes, not 26721026" in message
    assert ".zip" not in message  # Its checksums say whether it is whole.
    assert not (tmp_path / "data").exists()


def test_each_missing_file_is_named(celeba, tmp_path):
    (celeba / "img_align_celeba.zip").unlink()
    (celeba / "identity_CelebA.txt").unlink()
    with pytest.raises(UserError, match="is missing 2 of the files of celeb_a") as caught:
        prepare(config("celeb_a", celeba, tmp_path))
    for part in ("img_align_celeba.zip (https://drive", "identity_CelebA.txt (https://drive", "CelebA.html"):
        assert part in str(caught.value)
    assert "list_attr_celeba.txt (https" not in str(caught.value)
    assert "kaggle.com" in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_damaged_files_are_named(celeba, tmp_path):
    archive = celeba / "img_align_celeba.zip"
    whole = archive.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 255
    for content in (whole[: len(whole) // 2], bytes(flipped), b"<html>Quota exceeded</html>", b""):
        archive.write_bytes(content)
        with pytest.raises(UserError, match=r"img_align_celeba\.zip is damaged or incomplete"):
            prepare(config("celeb_a", celeba, tmp_path))
        assert not (tmp_path / "data").exists()


def test_a_truncated_table_is_reported(celeba, tmp_path):
    table = celeba / "list_attr_celeba.txt"
    table.write_text(table.read_text()[:900])
    with pytest.raises(UserError, match=r"cannot prepare celeb_a from the files in .*may be incomplete"):
        prepare(config("celeb_a", celeba, tmp_path))
    assert not (tmp_path / "data").exists()


def test_an_interruption_leaves_nothing_behind(raw_celeba, tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("jaxvae.data.sources.tfds.source.crop_and_resize", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(config("celeb_a", raw_celeba, tmp_path))
    assert not (tmp_path / "data").exists()


def test_fashion_mnist_from_raw_files(tmp_path):
    made = raw_mnist(tmp_path / "raw")
    prepared = prepare(config("fashion_mnist", tmp_path / "raw", tmp_path))
    assert prepared.shape == (28, 28, 1)
    assert prepared.attributes == ("label",)
    assert prepared.info["classes"]["label"][9] == "Ankle boot"
    found = {}
    for split in ("train", "validation", "test"):
        images, labels = prepared.split(split)
        found[split] = {image.tobytes(): label for image, label in zip(images, labels[:, 0], strict=True)}
    assert found["test"] == made["test"]
    # A fifth of train, which is less than there is of test, became the validation split.
    assert {split: len(examples) for split, examples in found.items()} == {"train": 16, "validation": 4, "test": 5}
    assert found["train"] | found["validation"] == made["train"]
    assert prepared.info["origin"]["splits"]["validation"].startswith("4 of train")


def test_fashion_mnist_unpacked_is_the_same_and_neither_way_is_doubted(tmp_path, caplog):
    raw_mnist(tmp_path / "raw")
    (tmp_path / "unpacked").mkdir()
    for file in (tmp_path / "raw").iterdir():
        (tmp_path / "unpacked" / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    with caplog.at_level(logging.WARNING, "jaxvae"):
        packed, plain = (prepare(config("fashion_mnist", tmp_path / kind, tmp_path)) for kind in ("raw", "unpacked"))
    assert not [record for record in caplog.records if record.name == "jaxvae"]
    for split in ("train", "test"):
        np.testing.assert_array_equal(packed.split(split).images, plain.split(split).images)
    (tmp_path / "unpacked" / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(UserError, match=r"is missing 1 of the files of fashion_mnist: t10k-images-idx3-ubyte\.gz"):
        prepare(config("fashion_mnist", tmp_path / "unpacked", tmp_path))


def test_truncated_mnist_files_are_reported(tmp_path):
    raw_mnist(tmp_path / "raw")
    images = tmp_path / "raw" / "train-images-idx3-ubyte.gz"
    whole = images.read_bytes()
    for content, message in (
        (whole[:-500], r"train-images-idx3-ubyte\.gz is damaged or incomplete"),
        (gzip.compress(gzip.decompress(whole)[:-1]), r"train-images-idx3-ubyte\.gz is incomplete: its header"),
        (gzip.compress(b"hello"), r"train-images-idx3-ubyte\.gz is not an idx file"),
        (b"", r"train-images-idx3-ubyte\.gz"),
    ):
        images.write_bytes(content)
        with pytest.raises(UserError, match=message):
            prepare(config("mnist", tmp_path / "raw", tmp_path))
    images.write_bytes(gzip.compress(idx(np.zeros((3, 28, 28)))))
    with pytest.raises(UserError, match=r"3 images, but .* 20 labels"):
        prepare(config("mnist", tmp_path / "raw", tmp_path))


def test_a_variant_whose_archive_holds_archives(tmp_path):
    made = raw_mnist(tmp_path / "parts")
    (tmp_path / "raw").mkdir()
    with zipfile.ZipFile(tmp_path / "raw" / "gzip.zip", "w") as archive:
        for path in (tmp_path / "parts").iterdir():
            archive.write(path, f"gzip/emnist-mnist-{path.name.replace('t10k', 'test')}")
    prepared = prepare(config("emnist/mnist", tmp_path / "raw", tmp_path))
    assert {image.tobytes() for image in prepared.split("test").images} == set(made["test"])


def raw_cifar(folder):
    folder.mkdir()
    random = np.random.default_rng(0)
    made = {}
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as archive:
        files = {f"data_batch_{i}.bin": b"" for i in range(1, 6)} | {"test_batch.bin": b""}
        for name in files:
            for _ in range(4):
                image, label = random.integers(0, 256, (32, 32, 3), np.uint8), int(random.integers(10))
                made[image.tobytes()] = label
                files[name] += bytes([label]) + image.transpose(2, 0, 1).tobytes()
        files["batches.meta.txt"] = "\n".join(f"thing{i}" for i in range(10)).encode()
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made


def test_cifar10_from_raw_files(tmp_path):
    made = raw_cifar(tmp_path / "raw")
    prepared = prepare(config("cifar10", tmp_path / "raw", tmp_path))
    assert prepared.info["classes"] == {"label": [f"thing{i}" for i in range(10)]}
    found = {}
    for split, count in (("train", 16), ("validation", 4), ("test", 4)):
        images, labels = prepared.split(split)
        assert len(images) == count
        found |= {image.tobytes(): label for image, label in zip(images, labels[:, 0], strict=True)}
    assert found == made


def test_a_truncated_tar_is_named(tmp_path):
    raw_cifar(tmp_path / "raw")
    archive = tmp_path / "raw" / "cifar-10-binary.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"cifar-10-binary\.tar\.gz is damaged or incomplete"):
        prepare(config("cifar10", tmp_path / "raw", tmp_path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("celebb_a", "did you mean 'celeb_a'"),
        ("avatar", "did you mean 'avatars'"),
        ("qqqqqq", "expected one of avatars, folder, celeb_a"),
        ("no such name", "'no such name'"),
        ("some/where", "'some/where'"),
        ("emnist/letter", "no variant 'letter'; did you mean 'letters'"),
        ("imdb_reviews", "imdb_reviews has no images; its features are"),
    ],
)
def test_invalid_names_are_refused(tmp_path, name, message):
    with pytest.raises(UserError, match=message) as caught:
        prepare(DataConfig(name=name, root=str(tmp_path / "data")))
    assert len(str(caught.value)) < 200
    assert not (tmp_path / "data").exists()


def test_a_missing_raw_folder_is_reported(tmp_path):
    with pytest.raises(UserError, match=r"data\.raw .*not a folder"):
        prepare(config("celeb_a", tmp_path / "absent", tmp_path))


def test_a_builder_that_needs_tensorflow_names_the_extra(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # As if it were not installed, where it is.
    with pytest.raises(UserError, match=r"pip install 'jaxvae\[tensorflow\]'"):
        prepare(config("coco", tmp_path, tmp_path))
    assert capsys.readouterr().out == ""  # Not TFDS's page about it.


@pytest.fixture
def tfds_home(tmp_path, monkeypatch):
    home = tmp_path / "tfds"
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(home))
    return home


def unknown_host(*args):
    raise socket.gaierror(-2, "Name or service not known")


def test_without_a_network_the_remedy_is_reported(tmp_path, tfds_home, monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", unknown_host)
    monkeypatch.setattr("jaxvae.data.sources.tfds.files.getproxies", dict)
    with pytest.raises(UserError, match=r"cannot download or prepare celeb_a .*drive\.google\.com") as caught:
        prepare(DataConfig(name="celeb_a", root=str(tmp_path / "data")))
    for part in ("img_align_celeba.zip", "list_attr_celeba.csv", "kaggle.com", "--data.raw DIR", "RAW=DIR"):
        assert part in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_a_download_is_prepared_once_and_kept_where_tfds_keeps_it(tmp_path, tfds_home, monkeypatch):
    made = raw_mnist(tmp_path / "raw")
    asked = []

    def download(manager, urls):
        asked.extend(urls)
        return [tmp_path / "raw" / url.rsplit("/", 1)[-1] for url in urls]

    monkeypatch.setattr("tensorflow_datasets.download.DownloadManager.download", download)
    # There is no network, but TFDS has the files.
    monkeypatch.setattr("socket.getaddrinfo", unknown_host)
    monkeypatch.setattr("jaxvae.data.sources.tfds.files.getproxies", dict)
    (tfds_home / "downloads" / "mnist").mkdir(parents=True)
    urls = [f"https://storage.googleapis.com/cvdf-datasets/mnist/{path.name}" for path in (tmp_path / "raw").iterdir()]
    (tfds_home / "downloads" / "mnist" / "some.gz.INFO").write_text(json.dumps({"urls": urls}))
    first = prepare(DataConfig(name="mnist", size=None, root=str(tmp_path / "data")))
    assert {image.tobytes() for image in first.split("test").images} == set(made["test"])
    assert len(asked) == 4
    (info,) = tfds_home.glob("mnist/*/dataset_info.json")
    assert prepare(DataConfig(name="mnist", size=14, root=str(tmp_path / "data"))).shape == (14, 14, 1)
    assert len(asked) == 4
    # A copy in the format that needs TensorFlow is left alone, and not used.
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    assert prepare(DataConfig(name="mnist", size=7, root=str(tmp_path / "data"))).shape == (7, 7, 1)
    assert len(asked) == 8


def test_archives_of_every_kind_are_iterated(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("in/a.txt", b"hello")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "a.zip", "in/a.zip")
    with ExitStack() as stack:
        files = RawFiles(lambda urls: [tmp_path / url for url in urls], lambda: tmp_path, tmp_path / "work", stack)
        assert [(name, file.read()) for name, file in files.iter_archive(tmp_path / "a.zip")] == [
            ("in/a.txt", b"hello")
        ]
        late = dict(files.iter_archive(tmp_path / "a.zip"))
        assert late["in/a.txt"].read() == b"hello"
        ((name, file),) = files.iter_archive(tmp_path / "a.tar.gz")
        assert (name, file.read()) == ("in/a.zip", (tmp_path / "a.zip").read_bytes())
        unpacked = files.download_and_extract({"one": "a.zip", "more": ["a.tar.gz", "a.zip"]})
        assert (unpacked["one"] / "in" / "a.txt").read_bytes() == b"hello"
        assert (unpacked["more"][0] / "in" / "a.zip").exists()
        assert unpacked["more"][1] != unpacked["one"]
