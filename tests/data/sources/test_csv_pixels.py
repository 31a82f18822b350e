import gzip

import pytest
from source_files import read, refuses_what_is_no_file

from jaxvae.data.sources.base import SPLITS
from jaxvae.data.sources.containers import contents
from jaxvae.data.sources.kinds import Container, source_named
from jaxvae.errors import UserError


def rows(count, pixels=9, label="first", delimiter=","):
    lines = []
    for i in range(count):
        values = [str(i)] * pixels
        lines.append(delimiter.join({"first": [str(i), *values], "last": [*values, str(i)], None: values}[label]))
    return lines


HEADERS = {
    "first": ["label", *map(str, range(9))],
    "last": [*(f"pixel{i}" for i in range(9)), '"Class"'],
    None: ["p"] * 9,
}


@pytest.mark.parametrize("label", ["first", "last", None])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_with_a_header(tmp_path, label, packed, delimiter):
    text = "\r\n".join([delimiter.join(HEADERS[label]), *rows(10, 9, label, delimiter)]) + "\r\n"
    data = b"\xef\xbb\xbf" + text.encode()
    path = tmp_path / ("a.csv.gz" if packed else "a.csv")
    path.write_bytes(gzip.compress(data) if packed else data)
    assert isinstance(source_named(str(path)), Container)
    source, found = read(path)
    assert source.attributes == ((), ("label",))[label is not None]
    assert [len(found[split]) for split in SPLITS] == [8, 1, 1]
    assert sorted(int(each.image[2, 2, 0]) for split in SPLITS for each in found[split]) == list(range(10))
    if label:
        assert all(each.attributes == (each.image[0, 0, 0],) for split in SPLITS for each in found[split])


@pytest.mark.parametrize("label", ["first", None])
def test_without_a_header(tmp_path, label):
    (tmp_path / "a.csv").write_text("\n".join(rows(5, 9, label)))
    source, found = read(tmp_path / "a.csv")
    assert source.attributes == ((), ("label",))[label is not None]
    assert found["train"][0].image.shape == (3, 3, 1)


def test_colour_with_a_header(tmp_path):
    lines = [
        ",".join(["label", *(f"pixel{i}" for i in range(12))]),
        *(f"{i}," + "1,2,3," * 3 + "1,2,3" for i in range(4)),
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    image = read(tmp_path / "a.csv")[1]["train"][0].image
    assert image.shape == (2, 2, 3)
    assert image[1, 1].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 columns; expected a square"),
        ("a,b,c\n1,2,3\n", "has 3 columns; expected a square"),
        ("hello, this is text\n", "has 2 columns"),
        ("label,a,b,c,d\n", "has 0 images"),
        ("0,1,2,3,256\n" * 4, "pixels from 1 to 256"),
        ("0,1,2,3,-1\n" * 4, "pixels from -1 to 3"),
        ("0,1,2,3,0.5\n" * 4, "cannot be read as a table of pixels .*0.5"),
        ("0,1,2,3,99999999999\n" * 4, "cannot be read as a table of pixels"),
        ("0,1,2,3,4\n1,2\n" * 4, "cannot be read as a table of pixels .*columns"),
        ("40000,1,2,3,4\n" * 4, "labels from 40000 to 40000"),
        ("label,y,a,b,c,d\n", "has 2 columns of labels"),
        ("0,1,2,3,4\n" * 2, "has 2 images"),
    ],
)
def test_tables_that_will_not_do(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.csv")


def test_missing_damaged_and_huge_files(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    for content in (bytes(range(256)), b"\0" * 100, gzip.compress(b"1,2,3,4,5\n" * 9)[:-9]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"a table of pixels|columns"):
            read(path)
    refuses_what_is_no_file(path)
    path.write_text("0,1,2,3,4\n" * 100)
    monkeypatch.setattr(contents, "free_memory", lambda: 100)
    with pytest.raises(UserError, match="half may be taken"):
        read(path)


def fer(rows):
    cells = (f"{label},{' '.join([str(value)] * 64)},{usage}\n" for label, value, usage in rows)
    return "emotion,pixels,Usage\n" + "".join(cells)


def test_all_pixels_in_one_cell(tmp_path):
    rows = [*((i % 3, i, "Training") for i in range(6)), (1, 100, "PublicTest"), (2, 200, "PrivateTest")]
    (tmp_path / "fer2013.csv").write_text(fer(rows))
    source, found = read(tmp_path / "fer2013.csv")
    assert source.attributes == ("label",)
    assert [len(found[split]) for split in SPLITS] == [6, 1, 1]
    values = {(int(each.image[0, 0, 0]), *each.attributes) for split in SPLITS for each in found[split]}
    assert values == {(value, label) for label, value, _ in rows}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0,1 2 3,Training", "row 5 of .* has 3 pixels; expected a square number"),
        ("0,1 2 x 4,Training", "row 5 of .* cannot be read .* expected whole numbers"),
        ("a,1 2 3 4,Training", "row 5 of .* cannot be read"),
        ("0,1 2 3 4,Later", "row 5 of .* has the usage 'later'; expected train"),
        ("0,1 2 3 4", "row 5 of .* has 2 cells, but its header has 3"),
        (f"0,{' '.join(['256'] * 64)},Training", "pixels from 256 to 256"),
    ],
)
def test_rows_of_cells_that_will_not_do(tmp_path, row, message):
    (tmp_path / "a.csv").write_text(fer([(0, i, "Training") for i in range(3)]) + row + "\n")
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.csv")
