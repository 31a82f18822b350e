import pytest

from jaxvae.sharing.local_paths import shareable_data, without_local_paths


@pytest.mark.parametrize(("value", "shared"), [
    ("/home/jane/secret project/faces", "faces"), ("~/faces/", "faces"), ("file:///home/jane/a.npz", "a.npz"),
    ("C:\\Users\\jane\\faces", "faces"), ("/home/jane/mine.py:distance", "mine.py:distance"),
    ("/", ""), ("~jane", "jane"),
    ("avatars", "avatars"), ("my/photos", "my/photos"), ("hf:jane/faces", "hf:jane/faces"), ("test:12", "test:12"),
    (3, 3), (None, None),
])  # fmt: skip
def test_absolute_paths_become_names(value, shared):
    assert without_local_paths(value) == shared
    assert without_local_paths({"a": [value, {"b": value}]}) == {"a": [shared, {"b": shared}]}


def test_skipped_files_are_counted_and_not_named():
    data = {"path": "/home/jane/data/x-64-1", "origin": {"folder": "/home/jane/x", "unreadable": ["me.jpg", "you.jpg"]}}
    assert shareable_data(data) == {"path": "x-64-1", "origin": {"folder": "x", "unreadable": 2}}
