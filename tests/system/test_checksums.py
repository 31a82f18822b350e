import pytest

from jaxvae.system.checksums import FILE_NAME, find_mismatch, write_checksums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"")
    write_checksums(tmp_path)
    return tmp_path


def test_a_sealed_folder_is_intact(folder):
    assert find_mismatch(folder) is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda folder: (folder / "inner" / "a").write_bytes(b"12346"), "inner/a"),
        (lambda folder: (folder / "inner" / "a").write_bytes(b"1234"), "inner/a"),
        (lambda folder: (folder / "b").unlink(), "b"),
        (lambda folder: (folder / "c").write_text("new"), "c"),
        (lambda folder: (folder / FILE_NAME).write_text("{"), FILE_NAME),
        (lambda folder: (folder / FILE_NAME).write_text("[]"), FILE_NAME),
    ],
)
def test_the_changed_file_is_named(folder, change, named):
    change(folder)
    assert find_mismatch(folder) == named


def test_an_unsealed_folder_has_nothing_to_compare_with(tmp_path):
    (tmp_path / "a").write_text("x")
    assert find_mismatch(tmp_path) is None
