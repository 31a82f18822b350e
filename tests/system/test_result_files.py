import json
from pathlib import Path

import numpy as np
import pytest

from jaxvae.errors import UserError
from jaxvae.system.files import new_file, write_arrays, write_json


class Failing(dict):
    """Values of which the second cannot be had."""

    def items(self):
        yield "first", np.zeros(1000)
        raise KeyboardInterrupt

    def __iter__(self):
        return iter(("first", "second"))

    def keys(self):
        return ["first", "second"]

    def __getitem__(self, name):
        if name == "second":
            raise KeyboardInterrupt
        return np.zeros(1000)


def test_json_is_read_back_and_its_folders_are_created(tmp_path):
    value = {"a": [1, 2.5, None, "é"], "b": {"c": True}}
    path = tmp_path / "some" / "folder" / "x.json"
    write_json(path, value)
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == value
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_non_finite_number_is_an_error_and_leaves_no_file(tmp_path, number):
    with pytest.raises(UserError, match="not finite"):
        write_json(tmp_path / "x.json", {"a": 1.0, "b": [number]})
    assert list(tmp_path.iterdir()) == []


def test_arrays_are_read_back_without_pickle(tmp_path):
    values = {"a": np.arange(6.0).reshape(2, 3), "k": np.asarray([1, 10])}
    write_arrays(tmp_path / "x.npz", values)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as read:
        assert set(read.files) == {"a", "k"}
        for name, array in values.items():
            np.testing.assert_array_equal(read[name], array)
            assert read[name].dtype == array.dtype
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_an_array_that_requires_pickle_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_arrays(tmp_path / "x.npz", {"a": np.zeros(3), "b": np.asarray([{}, None], object)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [None, b"precious"])
def test_an_interruption_keeps_the_existing_file(tmp_path, before):
    path = tmp_path / "x.npz"
    if before:
        path.write_bytes(before)
    with pytest.raises(KeyboardInterrupt):
        write_arrays(path, Failing())
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == ([("x.npz", before)] if before else [])


def test_a_file_appears_only_when_complete(tmp_path, monkeypatch):
    names = []
    original = np.savez_compressed

    def watched(file, *arguments, **values):
        original(file, *arguments, **values)
        names.append({each.name for each in tmp_path.iterdir()})

    monkeypatch.setattr(np, "savez_compressed", watched)
    write_arrays(tmp_path / "x.npz", {"a": np.zeros(3)})
    assert names == [{".x.npz.partial"}]
    assert (tmp_path / "x.npz").exists()


def test_an_unwritable_path_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/x\.json cannot be written"):
        write_json(tmp_path / "file" / "x.json", {})
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(UserError, match=r"folder\.json cannot be written"):
        write_json(tmp_path / "folder.json", {})
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder.json"}


def test_a_new_file_has_the_right_suffix_and_does_not_exist(tmp_path):
    path = tmp_path / "x.json"
    assert new_file(None, ".json", overwrite=False) is None
    assert new_file(path, ".json", overwrite=False) == path
    with pytest.raises(UserError, match=r"y\.txt must end in \.json"):
        new_file(tmp_path / "y.txt", ".json", overwrite=True)
    with pytest.raises(UserError, match=r"must end in \.npz"):
        new_file(Path("x"), ".npz", overwrite=False)


def test_an_existing_file_is_replaced_only_on_request(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("precious")
    with pytest.raises(UserError, match=r"x\.json already exists; choose another file, or replace it with --overwrite"):
        new_file(path, ".json", overwrite=False)
    assert new_file(path, ".json", overwrite=True) == path
    assert path.read_text() == "precious"
    write_json(path, 3)
    assert path.read_text() == "3\n"
