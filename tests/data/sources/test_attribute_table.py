import zipfile

import numpy as np
import pytest
import raw_celeba
from PIL import Image

from jaxvae import DataConfig, Folder
from jaxvae.data.prepare import prepare
from jaxvae.data.sources.attribute_table import read_columns, read_partition
from jaxvae.data.sources.base import SPLITS
from jaxvae.errors import UserError


def celeba(raw, root):
    return prepare(DataConfig(name="celeb_a", raw=str(raw), size=16, crop=140, root=str(root)))


def test_celeba_as_kaggle_hands_it_out_is_the_celeba_of_the_archives(tmp_path):
    archives = celeba(raw_celeba.make(tmp_path / "archives", 40), tmp_path / "data")
    kaggle = celeba(raw_celeba.make_kaggle(tmp_path / "kaggle", 40), tmp_path / "data")
    shared = [archives.attributes.index(name) for name in kaggle.attributes]
    assert set(raw_celeba.ATTRIBUTES) == set(kaggle.attributes)
    assert kaggle.info["name"] == "celeb_a"
    for split in SPLITS:
        # The same faces with the same attributes; TFDS shuffles their order.
        first, second = archives.split(split), kaggle.split(split)
        rows = [
            sorted((image.tobytes(), tuple(values.tolist())) for image, values in zip(images, attributes, strict=True))
            for images, attributes in ((first.images, first.attributes[:, shared]), second)
        ]
        assert rows[0] == rows[1]


def test_the_official_text_files_beside_an_extracted_folder(tmp_path):
    raw = raw_celeba.make(tmp_path / "raw", 20)
    with zipfile.ZipFile(raw / "img_align_celeba.zip") as archive:
        archive.extractall(raw)
    (raw / "img_align_celeba.zip").unlink()
    prepared = celeba(raw, tmp_path / "data")
    assert {split: len(prepared.split(split).images) for split in SPLITS} == {"train": 16, "validation": 2, "test": 2}
    assert set(np.unique(prepared.split("train").attributes)) == {0, 1}


def pictures(folder, count=12):
    folder.mkdir(parents=True)
    for i in range(count):
        Image.new("L", (9, 9), i).save(folder / f"{i}.png")
    return folder


def table(folder, header, cell, separator=",", rows=range(12), **options):
    lines = [separator.join(header), *(separator.join([f"{i}.png", *cell(i)]) for i in rows)]
    path = folder / "attributes.csv"
    path.write_text("\n".join(lines) + "\n", **options)
    return path


def test_a_table_that_is_used_is_not_counted_as_skipped(tmp_path, caplog):
    root = pictures(tmp_path / "a")
    table(root, ["file", "hat"], lambda i: [str(i % 2)])
    prepare(DataConfig(source=Folder(path=str(root)), size=None, root=str(tmp_path / "data")))
    assert "skipped" not in caplog.text


def values_by_image(prepared):
    parts = [prepared.split(split) for split in SPLITS]
    return {int(image[0, 0, 0]): row.tolist() for part in parts for image, row in zip(*part, strict=True)}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_in_the_folder_gives_its_columns(tmp_path, separator):
    folder = pictures(tmp_path / "a")
    header = ["file", "hat", "glasses", "age", "hair", "empty"]

    def cells(i):
        return [["-1", "1"][i % 2], ["True", "False"][i % 2], str(i * 7), ["red", "blond"][i % 2], ""]

    table(folder, header, cells, separator, encoding="utf-8-sig")
    prepared = prepare(DataConfig(source=Folder(path=str(folder)), size=None, root=str(tmp_path / "data")))
    assert prepared.attributes == ("hat", "glasses", "age", "hair", "empty")
    assert prepared.info["classes"] == {"hair": ["blond", "red"]}
    assert values_by_image(prepared) == {i: [i % 2, 1 - i % 2, i * 7, 1 - i % 2, -1] for i in range(12)}


def test_a_named_table_and_files_that_one_of_them_lacks(tmp_path, caplog):
    folder = pictures(tmp_path / "a" / "deep")
    path = table(tmp_path, ["file", "hat"], lambda i: ["1"], rows=range(2, 14))
    source = Folder(path=str(folder), attributes=str(path))
    with caplog.at_level("WARNING", logger="jaxvae"):
        prepared = prepare(DataConfig(source=source, size=None, root=str(tmp_path / "data")))
    assert "2 images that" in caplog.text
    assert "are not there: 12.png, 13.png." in caplog.text
    assert values_by_image(prepared) == {i: [1 if i >= 2 else -1] for i in range(12)}


def test_columns_that_are_no_attributes_are_named(tmp_path, caplog):
    path = table(tmp_path, ["file", "score", "id", "ok"], lambda i: [f"{i}.5", f"name {i}", "1"], rows=range(1001))
    with caplog.at_level("WARNING", logger="jaxvae"):
        assert [column.name for column in read_columns(path)] == ["ok"]
    assert "omitted: score, id." in caplog.text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no rows"),
        ("file\na.png\n", "expected a column of file names"),
        ("file,a\nx.png,1,2\n", "row 2 of .* has 3 cells, but its header has 2"),
        ("file,a,a\nx.png,1,2\n", "expected a column of file names"),
        ("file,a\nother.png,1\n", "lists none of the images in .*, but other.png"),
    ],
)
def test_tables_that_are_none(tmp_path, text, told):
    folder = pictures(tmp_path / "a")
    (folder / "attributes.csv").write_text(text)
    with pytest.raises(UserError, match=told):
        prepare(DataConfig(source=Folder(path=str(folder)), size=None, root=str(tmp_path / "data")))
    assert not (tmp_path / "data").exists()


def test_a_partition_of_another_number_is_named(tmp_path):
    (tmp_path / "p.txt").write_text("000001.jpg 0\n000002.jpg 3\n")
    with pytest.raises(UserError, match=r"puts 000002\.jpg into partition '3'; expected 0, 1 or 2"):
        read_partition(tmp_path / "p.txt")
