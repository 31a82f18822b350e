"""A run or a data set from a stranger runs no code, and is read and written nowhere but in its folder."""

import io
import os
import shutil
import tarfile
import zipfile
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest
from corpus import edit_json, pickled, sentence, trapped_arrays, tree, untrained_run, write
from PIL import Image

from jaxvae.data.prepared import open_prepared
from jaxvae.data.sources.tfds.files import RawFiles
from jaxvae.errors import UserError
from jaxvae.evaluate import evaluate
from jaxvae.reconstruct import reconstruct
from jaxvae.runs.run import load
from jaxvae.sample import sample
from jaxvae.system import checksums
from jaxvae.training.lock import lock_run

ABSOLUTE = "/tmp/jaxvae-out.txt"  # noqa: S108
ONE = "samples-model-n1-t1-seed0.png"


@pytest.fixture(scope="module")
def whole_run(disc_set, tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs") / "run", disc_set)


@pytest.fixture
def place(whole_run, tmp_path_factory):
    """A copy of the run, and beside it what is not to be touched."""
    place = tmp_path_factory.mktemp("place")
    shutil.copytree(whole_run, place / "run")
    write(place / "home" / "precious.txt", b"precious")
    return place


def metadata(run, change):
    edit_json(run / "checkpoints" / "3" / "_CHECKPOINT_METADATA", lambda whole: change(whole["custom_metadata"]))
    checksums.write_checksums(run / "checkpoints" / "3")


@pytest.mark.parametrize("path", ["../../home", "/etc", "/dev/null", "~root", "", "n" * 5000, "\x1b[31m\n", "a\0b"])
def test_images_claimed_to_be_elsewhere_are_not_read(call, place, path):
    metadata(place / "run", lambda about: about["data"].update(path=path))
    before = tree(place)
    sentence(call(reconstruct, place / "run", "--out", "x.png"))
    sentence(call(reconstruct, place / "run", "test:0", "--out", "x.png"))
    sentence(call(evaluate, place / "run", "--out", "x.json"))
    assert tree(place) == before


def test_a_recipe_is_printed_and_not_executed(call, place):
    recipe = {"raw": "$(touch mark); `touch mark`", "crop": "\x1b[31m", "size": ["rm", "-rf"], "color": "\n"}
    metadata(place / "run", lambda about: about["data"].update(path="nowhere", recipe=recipe, name="; touch mark"))
    sentence(call(reconstruct, place / "run", "--out", "x.png"), "prepare them again with", "'; touch mark'")


@pytest.mark.parametrize(("command", "folder"), [(sample, "samples"), (evaluate, "evaluation")])
def test_a_link_leaving_the_run_is_not_followed(call, place, command, folder):
    for target in ("../home", place / "home", place / "home" / "new"):
        (place / "run" / folder).symlink_to(target)
        before = tree(place)
        arguments = ["--n", 1] if command is sample else ["--n", 2, "--k", 1, "--batch-size", 2]
        sentence(call(command, place / "run", *arguments), f"{folder} is a symlink to", "--out")
        assert tree(place) == before
        (place / "run" / folder).unlink()


def test_the_run_folder_may_itself_be_a_link(call, place):
    (place / "link").symlink_to("run")
    assert call(sample, place / "link", "--n", 1)[0] == 0
    with lock_run(place / "link"):
        pass


def test_links_instead_of_files_are_replaced(call, place):
    samples = place / "run" / "samples"
    samples.mkdir()
    for name in (ONE, f".{ONE}.partial"):
        (samples / name).symlink_to(place / "home" / "precious.txt")
    assert call(sample, place / "run", "--n", 1, "--prior", "model")[0] == 0
    assert (place / "home" / "precious.txt").read_bytes() == b"precious"
    assert os.listdir(samples) == [ONE]
    assert not (samples / ONE).is_symlink()
    with Image.open(samples / ONE) as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize(
    "name", ["config.json.partial", "metrics.jsonl", "metrics.jsonl.partial", ".owner", ".lock", "checkpoints",
             "samples", "tensorboard"]
)  # fmt: skip
def test_training_follows_no_link_leaving_the_run(place, name):
    shutil.rmtree(place / "run" / name, ignore_errors=True)
    (place / "run" / name).symlink_to("../home" if "." not in name else "../home/precious.txt")
    before = tree(place)
    with pytest.raises(UserError, match=r"is a symlink to .* outside of the run"), lock_run(place / "run"):
        pytest.fail("was let in")
    assert tree(place) == before


def test_checksums_of_files_elsewhere_are_not_accepted(call, place, monkeypatch):
    step = place / "run" / "checkpoints" / "3"
    asked = []
    sha256 = checksums.sha256
    monkeypatch.setattr(checksums, "sha256", lambda path: asked.append(path) or sha256(path))
    for name in ("../../../home/precious.txt", "/etc/passwd", "\x1b[31m\n", "a\0b", "x" * 5000):
        edit_json(step / checksums.FILE_NAME, lambda sums, name=name: sums.update({name: "0" * 64}))
        sentence(call(sample, place / "run", "--out", "x.png"), "3 is damaged:", "does not match its checksum")
        edit_json(step / checksums.FILE_NAME, lambda sums, name=name: sums.pop(name))
    assert load(place / "run").info.step == 3
    assert asked
    assert all(path.resolve().is_relative_to(step.resolve()) for path in asked)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff", b"null", b'{"params/_METADATA": {}}'])
def test_invalid_checksums_are_refused(place, content):
    write(place / "run" / "checkpoints" / "3" / checksums.FILE_NAME, content)
    with pytest.raises(UserError, match="3 is damaged"):
        load(place / "run")


def test_array_names_do_not_escape_the_checkpoint(place):
    step = place / "run" / "checkpoints" / "3"
    path = step / "params" / "_METADATA"
    path.write_text(path.read_text().replace("decoder", "../../../../home/precious.txt"))
    checksums.write_checksums(step)
    before = tree(place)
    with pytest.raises(UserError, match="3 is damaged"):
        load(place / "run")
    assert tree(place) == before


def hostile_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../out.txt", "../../out.txt", "a/../../../out.txt", ABSOLUTE, "good/in.txt"):
            archive.writestr(name, b"x")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "../../home")
        archive.writestr("link/out.txt", b"x")


def hostile_tar(path):
    with tarfile.open(path, "w:gz") as archive:
        for name in ("../out.txt", "../../out.txt", "a/../../../out.txt", ABSOLUTE, "good/in.txt"):
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
        for kind, name, target in (
            (tarfile.SYMTYPE, "link", "../../home"),
            (tarfile.LNKTYPE, "hard", "../../home/precious.txt"),
            (tarfile.FIFOTYPE, "pipe", ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
        member = tarfile.TarInfo("link/out.txt")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))


@pytest.mark.parametrize(("make", "name"), [(hostile_zip, "a.zip"), (hostile_tar, "a.tar.gz")])
def test_archives_are_not_unpacked_outside_their_folder(tmp_path, make, name):
    make(tmp_path / name)
    write(tmp_path / "home" / "precious.txt", b"precious")
    with ExitStack() as stack:
        files = RawFiles(lambda urls: [tmp_path / url for url in urls], lambda: tmp_path, tmp_path / "work", stack)
        found: list[str] = []
        with suppress(UserError, OSError, KeyError):  # `failures_told` makes a sentence of it.
            files.download_and_extract(name)
        with suppress(UserError, OSError, KeyError):
            found.extend(name for name, _ in files.iter_archive(tmp_path / name))
    assert "good/in.txt" in [path.relative_to(tmp_path / "work" / "1" / name).as_posix()
                             for path in (tmp_path / "work" / "1" / name).rglob("*")]  # fmt: skip
    assert "good/in.txt" in found
    assert all(".." not in Path(each).parts and not Path(each).is_absolute() for each in found)
    assert sorted(os.listdir(tmp_path)) == [name, "home", "work"]
    assert tree(tmp_path / "home") == {"precious.txt": b"precious"}
    assert not any(path.is_symlink() for path in (tmp_path / "work").rglob("*"))
    assert not Path(ABSOLUTE).exists()


@pytest.fixture
def prepared(disc_set, tmp_path):
    return shutil.copytree(disc_set.path, tmp_path / "set")


def rewritten(change):
    return lambda folder: edit_json(folder / "dataset.json", change)


WRONG_SETS = {
    "list": lambda folder: write(folder / "dataset.json", b"[1]"),
    "deep": lambda folder: write(folder / "dataset.json", b"[" * 100_000),
    "no text": lambda folder: write(folder / "dataset.json", b"\xff\xfe"),
    "folder": lambda folder: ((folder / "dataset.json").unlink(), (folder / "dataset.json").mkdir()),
    "no version": rewritten(lambda info: info.pop("format_version")),
    "version in words": rewritten(lambda info: info.update(format_version="1")),
    **{f"no {name}": rewritten(lambda info, name=name: info.pop(name))
       for name in ("name", "shape", "attributes", "classes", "recipe", "splits", "origin")},
    "huge": rewritten(lambda info: info.update(shape=[2**40, 2**40, 3])),
    "negative": rewritten(lambda info: info.update(shape=[-1, 16, 3])),
    "no pictures": rewritten(lambda info: info["splits"]["test"].update(n=0)),
    "no range": rewritten(lambda info: info["splits"]["test"].pop("range")),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_SETS)
def test_an_invalid_dataset_description_is_refused(prepared, name):
    WRONG_SETS[name](prepared)
    with pytest.raises(UserError, match=r"dataset\.json (is damaged|cannot be read)") as caught:
        open_prepared(prepared)
    assert "\n" not in str(caught.value)


def test_a_false_image_count_is_refused(prepared):
    edit_json(prepared / "dataset.json", lambda info: info["splits"]["test"].update(n=10**15))
    with pytest.raises(UserError, match=r"test\.npy does not match"):
        open_prepared(prepared).split("test")


@pytest.mark.parametrize("file", ["test.npy", "test.attributes.npy"])
def test_arrays_of_the_wrong_kind_are_refused_and_nothing_is_unpickled(prepared, file):
    mark, path = prepared.parent / "mark", prepared / file
    np.savez(prepared / "archive.npz", images=np.zeros(3))
    contents = {
        "object": lambda: trapped_arrays(path, mark),
        "pickle": lambda: write(path, pickled(mark)),
        "archive": lambda: write(path, (prepared / "archive.npz").read_bytes()),
        "one number": lambda: np.save(path, np.uint8(3)),
        "floats": lambda: np.save(path, np.load(path_before).astype(np.float64)),
        "pipe": lambda: (path.unlink(), os.mkfifo(path)),
    }
    path_before = shutil.copy(path, prepared / "before.npy")
    for make in contents.values():
        make()
        with pytest.raises(UserError, match=r"\.npy (is missing or damaged|does not match)"):
            open_prepared(prepared).split("test")
        assert not mark.exists()


def test_the_images_of_a_dataset_are_read_only(prepared):
    before = tree(prepared)
    images = open_prepared(prepared).split("test").images
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0
    assert tree(prepared) == before
