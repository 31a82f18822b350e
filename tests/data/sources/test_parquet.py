import io
import json
import sys

import pytest
from PIL import Image
from source_files import read, refuses_what_is_no_file

from jaxvae.data.sources.base import SPLITS
from jaxvae.data.sources.containers import contents
from jaxvae.data.sources.kinds import Container, source_named
from jaxvae.errors import UserError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def png(value):
    buffer = io.BytesIO()
    Image.new("L", (6, 5), value).save(buffer, "png")
    return buffer.getvalue()


def write(path, start=0, count=10, names=None, struct=True, **columns):
    images = [{"bytes": png(i), "path": f"{i}.png"} if struct else png(i) for i in range(start, start + count)]
    table = pyarrow.table({"image": images} | columns)
    if names:
        features = {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, path, row_group_size=4)
    return path


@pytest.mark.parametrize("name", ["a.parquet", "noname"])
@pytest.mark.parametrize("struct", [True, False])
def test_images_and_labels(tmp_path, name, struct):
    smiling = [i % 2 == 0 for i in range(10)]
    path = write(tmp_path / name, struct=struct, label=list(range(10)), smiling=smiling, id=list(range(-5, 5)))
    assert isinstance(source_named(str(path)), Container)
    source, found = read(path)
    assert source.attributes == ("label", "smiling")
    assert [len(found[split]) for split in SPLITS] == [8, 1, 1]
    for split in SPLITS:
        for image, attributes in found[split]:
            assert image.shape == (5, 6, 1)
            assert attributes == (image[0, 0, 0], image[0, 0, 0] % 2 == 0)


def test_a_folder_of_the_hub(tmp_path):
    names = list("abcdefghij")
    write(tmp_path / "train-00000-of-00002.parquet", 0, 5, names, label=list(range(5)))
    write(tmp_path / "train-00001-of-00002.parquet", 5, 3, names, label=list(range(5, 8)))
    write(tmp_path / "test-00000-of-00001.parquet", 8, 2, names, label=[8, 9])
    write(tmp_path / "testimony.parquet", 8, 2, names)
    source, found = read(tmp_path)
    assert source.classes == {"label": tuple(names)}
    assert [len(found[split]) for split in SPLITS] == [7, 1, 2]
    assert all(each.attributes == (each.image[0, 0, 0],) for split in SPLITS for each in found[split])
    write(tmp_path / "test-00000-of-00001.parquet", 8, 2)
    with pytest.raises(UserError, match=r"has the labels label, but .* has others"):
        read(tmp_path)


def test_unreadable_images(tmp_path):
    parquet.write_table(pyarrow.table({"image": [png(0), b"text", None, png(1), png(2)]}), tmp_path / "a.parquet")
    source, found = read(tmp_path / "a.parquet", skip_share=0.5)
    assert sum(map(len, found.values())) == 3
    assert source.origin["unreadable"] == ["row 1", "row 2"]
    with pytest.raises(UserError, match=r"cannot be read \(row 1\)"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1, 2, 3]}, r"has the columns a \(int64\), of which none has image files"),
        ({"image": ["a.png"]}, r"image \(string\)"),
        ({"image": [[1, 2]]}, "none has image files"),
        ({"image": [png(1)] * 3, "label": [1, None, 2]}, "lacks 1 values of label"),
        ({"image": [png(1)] * 3, "label": [1, -1, 2]}, "label from -1 to 2"),
        ({"image": [png(1)] * 2}, "has 2 images"),
        ({}, "none has image files"),
    ],
)
def test_tables_that_will_not_do(tmp_path, columns, message):
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.parquet")


def test_missing_damaged_and_huge_files(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    whole = write(path).read_bytes()
    for content in (
        whole[: len(whole) // 2],
        whole[:5],
        b"",
        b"hello, this is text",
        whole[:50] + bytes(50) + whole[100:],
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"damaged or incomplete|cannot be read"):
            read(path)
    refuses_what_is_no_file(path)
    write(path)
    with monkeypatch.context() as patch:
        patch.setattr(contents, "free_memory", lambda: 100)
        with pytest.raises(UserError, match="half may be taken"):
            read(path)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match=r"needs pyarrow.*pip install 'jaxvae\[parquet\]'"):
        read(path)
