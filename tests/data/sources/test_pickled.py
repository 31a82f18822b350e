import gzip
import pickle

import numpy as np
import pytest
from source_files import numbered, read, refuses_what_is_no_file

from jaxvae.data.sources.base import SPLITS
from jaxvae.data.sources.kinds import Container, source_named
from jaxvae.errors import UserError

PAIRS = tuple((numbered(count, 64), np.arange(count)) for count in (6, 3, 2))


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize(
    ("value", "counts"),
    [
        ({"images": numbered(10, 9, 9), "labels": np.arange(10)}, [8, 1, 1]),
        ({b"x_train": numbered(6, 9, 9), b"y_train": list(range(6)), b"x_test": numbered(3, 9, 9),
          b"y_test": [0, 1, 2], b"note": "two splits"}, [5, 1, 3]),
        (PAIRS, [6, 3, 2]),
        (list(PAIRS[:2]), [5, 1, 3]),
        ((numbered(10, 9, 9), np.arange(10)), [8, 1, 1]),
        (numbered(10, 9, 9), [8, 1, 1]),
    ],
)  # fmt: skip
def test_arrays_in_a_pickle(tmp_path, value, counts, protocol):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    source, found = read(path)
    assert [len(found[split]) for split in SPLITS] == counts
    if not isinstance(value, np.ndarray):
        assert source.attributes == ("label",)
        assert all(each.attributes == (int(each.image[0, 0, 0]),) for split in SPLITS for each in found[split])


def test_a_packed_pickle_under_another_name(tmp_path):
    path = tmp_path / "mnist.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps(PAIRS)))
    assert isinstance(source_named(str(path)), Container)
    assert [len(part) for part in read(path)[1].values()] == [6, 3, 2]
    path = path.rename(tmp_path / "noname")
    assert [len(part) for part in read(path)[1].values()] == [6, 3, 2]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": 1}, r"has the arrays \(none\)"),
        ("text", "is a pickle of something else"),
        ([1, 2, 3], "is a pickle of something else"),
        ({"images": [[1, 2], [3]]}, "cannot be read as a pickle of arrays"),
        ({"images": UserError("what may run code")}, "is a pickle with jaxvae.errors.UserError; only arrays"),
    ],
)
def test_other_pickles(tmp_path, value, message):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.pkl")


def test_missing_and_damaged_files(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"images": numbered(10, 9, 9)})[:300])
    with pytest.raises(UserError, match="damaged"):
        read(path)
    refuses_what_is_no_file(path)
