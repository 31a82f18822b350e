import io
import json
import os
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image
from source_files import read

from jaxvae import DataConfig
from jaxvae.data.prepare import prepare
from jaxvae.data.sources.base import SPLITS
from jaxvae.data.sources.containers import archive_files, archives
from jaxvae.data.sources.kinds import Container, source_named
from jaxvae.errors import UserError


def png(value, mode="L", size=(6, 5), kind="png"):
    buffer = io.BytesIO()
    Image.new("L", size, value).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def write_zip(path, files, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_tar(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


WRITERS = {
    "a.zip": write_zip,
    "deflated.zip": lambda path, files: write_zip(path, files, compression=zipfile.ZIP_DEFLATED),
    "a.tar": write_tar,
    "a.tar.gz": lambda path, files: write_tar(path, files, "w:gz"),
    "a.tgz": lambda path, files: write_tar(path, files, "w:gz"),
    "a.tar.bz2": lambda path, files: write_tar(path, files, "w:bz2"),
    "a.tar.xz": lambda path, files: write_tar(path, files, "w:xz"),
    "noname": lambda path, files: write_tar(path, files, "w:gz"),
}
EVERY = pytest.mark.parametrize("name", WRITERS)
FEW = pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])


def firsts(examples):
    return [int(example.image.flat[0]) for example in examples]


@EVERY
def test_a_flat_archive_is_cut_in_three_and_nothing_is_written(tmp_path, name):
    files = {f"{i:02d}.png": png(i) for i in range(20)} | {"readme.txt": b"hello", ".hidden.png": b"x"}
    path = WRITERS[name](tmp_path / name, files)
    assert isinstance(source_named(str(path)), Container)
    source, found = read(path)
    assert [len(found[split]) for split in SPLITS] == [16, 2, 2]
    assert sorted(each for examples in found.values() for each in firsts(examples)) == list(range(20))
    assert source.attributes == ()
    assert source.origin["ignored"] == 2
    assert {example.image.shape for example in found["train"]} == {(5, 6, 1)}
    assert os.listdir(tmp_path) == [name]


@FEW
def test_folders_become_labels_below_a_common_folder(tmp_path, name):
    files = {f"pets/{kind}/{i}.png": png(i) for i, kind in enumerate(["cat", "cat", "dog", "dog", "eel"])}
    source, found = read(WRITERS[name](tmp_path / name, files))
    assert source.attributes == ("label",)
    assert source.classes == {"label": ("cat", "dog", "eel")}
    labels = {firsts([each])[0]: each.attributes for split in SPLITS for each in found[split]}
    assert labels == {0: (0,), 1: (0,), 2: (1,), 3: (1,), 4: (2,)}


@FEW
def test_images_at_the_top_have_a_label_that_is_a_word(tmp_path, name):
    files = {"0.png": png(0), "1.png": png(1)} | {f"cat/{i}.png": png(i) for i in range(2, 5)}
    source, _ = read(WRITERS[name](tmp_path / name, files))
    assert source.classes == {"label": ("cat", "top-level")}


@FEW
def test_folders_at_the_top_are_splits(tmp_path, name, caplog):
    files = {f"d/train/{kind}/{i}.png": png(i) for i in range(4) for kind in "ab"}
    files |= {"d/val/a/8.png": png(8), "d/test/b/9.png": png(9), "d/logo.png": png(10)}
    source, found = read(WRITERS[name](tmp_path / name, files))
    assert [len(found[split]) for split in SPLITS] == [8, 1, 1]
    assert found["validation"][0].attributes == (0,)
    assert found["test"][0].attributes == (1,)
    assert "1 images" in caplog.text
    assert source.origin["ignored"] == 1


@FEW
def test_shards_of_webdataset(tmp_path, name):
    files = {}
    for i in range(6):
        files |= {f"{i:03d}.png": png(i), f"{i:03d}.cls": str(i * 2).encode()}
    files["000.json"] = json.dumps({"width": 3}).encode()
    source, found = read(WRITERS[name](tmp_path / name, files))
    assert source.attributes == ("label",)
    assert all(each.attributes == (2 * firsts([each])[0],) for split in SPLITS for each in found[split])
    files = {f"{i}.png": png(i) for i in range(4)} | {f"{i}.json": json.dumps({"label": i}).encode() for i in range(4)}
    _, found = read(WRITERS[name](tmp_path / name, files))
    assert all(each.attributes == (firsts([each])[0],) for split in SPLITS for each in found[split])


def test_colours_are_made_common(tmp_path):
    files = {f"{i}.png": png(i, "RGB" if i == 3 else "L") for i in range(5)}
    _, found = read(write_zip(tmp_path / "a.zip", files))
    assert {each.image.shape for split in SPLITS for each in found[split]} == {(5, 6, 3)}


def test_prepare_resizes_and_opens_what_it_prepared(tmp_path):
    path = write_zip(tmp_path / "a.zip", {f"{i}.jpg": png(i, kind="jpeg", size=(9, 7 + i)) for i in range(5)})
    config = DataConfig(name=str(path), size=4, root=str(tmp_path / "data"))
    assert prepare(config).shape == (4, 4, 1)
    assert prepare(config).data["recipe"]["name"] == str(path)


def test_a_few_unreadable_images_are_skipped(tmp_path):
    whole = png(1, size=(60, 60), mode="RGB")
    files = {f"{i}.png": whole for i in range(8)} | {"x.png": b"text", "y.png": whole[:60]}
    path = write_zip(tmp_path / "a.zip", files)
    source, found = read(path, skip_share=0.2)
    assert sum(map(len, found.values())) == 8
    assert source.origin["unreadable"] == ["x.png", "y.png"]
    with pytest.raises(UserError, match=r"1 of 10 images in .* cannot be read \(x.png\)"):
        read(path)


@FEW
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": b"1"}, "has 1 files, of which none is an image"),
        ({}, "none is an image"),
        ({"a.png": png(1)}, "has 1 image for training"),
        ({f"{i}.png": png(i) for i in range(4)} | {"0.cls": b"3"}, "labels .* for 1 of 4 images"),
        ({f"{i}.png": png(i) for i in range(3)} | {f"{i}.cls": b"-1" for i in range(3)}, "has the label -1"),
        (
            {f"train/{k}/{i}.png": png(i) for k in "ab" for i in range(2)} | {"test/1.png": png(3)},
            "both in class folders and outside",
        ),
    ],
)
def test_archives_that_will_not_do(tmp_path, name, files, message):
    with pytest.raises(UserError, match=message):
        read(WRITERS[name](tmp_path / name, files))


@EVERY
def test_missing_and_damaged_files(tmp_path, name):
    path = tmp_path / name
    if name != "noname":
        with pytest.raises(UserError, match="does not exist"):
            read(path)
    rng = np.random.default_rng(0)
    noise = {}
    for i in range(6):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(buffer, "png")
        noise[f"{i}.png"] = buffer.getvalue()
    WRITERS[name](path, noise)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:5], b"", b"hello, this is text"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"damaged or incomplete|unknown format|none is an image|cannot be read"):
            read(path)


def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(UserError, match="expected a regular file"):
        read(tmp_path / "a.zip")
    (tmp_path / "a.bin").write_bytes(b"who knows")
    with pytest.raises(UserError, match="unknown format; expected"):
        read(tmp_path / "a.bin")


def test_links_in_a_tar_are_ignored(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(write_tar(path, {f"{i}.png": png(i) for i in range(3)}), "a") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(f"link{kind!r}.png")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    assert sum(map(len, read(path)[1].values())) == 3


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_bombs_are_refused_before_they_are_unpacked(tmp_path, mode, monkeypatch):
    path = write_tar(tmp_path / "a.tar", {f"{i}.png": png(i) for i in range(3)}, mode)
    monkeypatch.setattr(archives, "MAX_SIZE", 10)
    with pytest.raises(UserError, match="more than 10"):
        read(path)
    monkeypatch.setattr(archive_files, "MAX_MEMBERS", 1)
    with pytest.raises(UserError, match="more than 1 files"):
        read(path)


def test_huge_metadata_of_a_tar_is_refused(tmp_path):
    member = tarfile.TarInfo("long")
    member.type, member.size = tarfile.XHDTYPE, 2**32
    (tmp_path / "a.tar").write_bytes(member.tobuf(tarfile.USTAR_FORMAT) + bytes(10240))
    with pytest.raises(UserError, match="a header of 4294967296 bytes"):
        read(tmp_path / "a.tar")


def test_an_image_of_a_claimed_size_beyond_the_archive(tmp_path):
    blob = bytearray(write_zip(tmp_path / "a.zip", {f"{i}.png": png(i) for i in range(3)}).read_bytes())
    start = blob.index(b"PK\1\2")
    blob[start + 24 : start + 28] = struct.pack("<I", 2**31)
    (tmp_path / "a.zip").write_bytes(blob)
    with pytest.raises(UserError, match="of 2147483648 bytes"):
        read(tmp_path / "a.zip")


def test_an_encrypted_zip(tmp_path):
    blob = bytearray(write_zip(tmp_path / "a.zip", {f"{i}.png": png(i) for i in range(3)}).read_bytes())
    start = blob.index(b"PK\1\2")
    blob[start + 8] |= 1
    (tmp_path / "a.zip").write_bytes(blob)
    with pytest.raises(UserError, match="is encrypted"):
        read(tmp_path / "a.zip")


def test_short_names_remain_those_of_tfds():
    assert source_named("mnist").kind == "tfds"
    assert source_named("container").kind == "tfds"
