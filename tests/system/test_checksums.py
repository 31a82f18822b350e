import pytest

from jaxvae.system.checksums import NAME, broken, seal


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"")
    seal(tmp_path)
    return tmp_path


def test_a_sealed_folder_is_whole(folder):
    assert broken(folder) is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda folder: (folder / "inner" / "a").write_bytes(b"12346"), "inner/a"),
        (lambda folder: (folder / "inner" / "a").write_bytes(b"1234"), "inner/a"),
        (lambda folder: (folder / "b").unlink(), "b"),
        (lambda folder: (folder / "c").write_text("new"), "c"),
        (lambda folder: (folder / NAME).write_text("{"), NAME),
        (lambda folder: (folder / NAME).write_text("[]"), NAME),
    ],
)
def test_the_file_that_changed_is_named(folder, change, named):
    change(folder)
    assert broken(folder) == named


def test_a_folder_that_was_never_sealed_has_nothing_to_be_compared_with(tmp_path):
    (tmp_path / "a").write_text("x")
    assert broken(tmp_path) is None
