import json
from collections.abc import Iterator

import numpy as np
import pytest

from jaxvae import DataConfig
from jaxvae.data.prepare import prepare, prepared_path
from jaxvae.data.prepared import open_prepared, write_prepared
from jaxvae.data.sources.base import SPLITS, Example, Source
from jaxvae.errors import UserError
from jaxvae.system.files import temp_dir

COUNTS = {"train": 12, "validation": 3, "test": 1}


def random_examples(split, shape=(4, 5, 3)):
    random = np.random.default_rng(SPLITS.index(split))
    return [
        Example(random.integers(0, 256, shape, np.uint8), tuple(random.integers(-1, 2, 2).tolist()))
        for _ in range(COUNTS[split])
    ]


def source(**splits):
    given = {split: (lambda split=split: iter(random_examples(split))) for split in SPLITS} | splits
    return Source(("hat", "kind"), {"kind": ("a", "b")}, given, {"made": "here"})


def broken(error):
    def read() -> Iterator[Example]:
        yield from random_examples("validation")[:1]
        raise error

    return read


def test_round_trip(tmp_path):
    write_prepared(tmp_path / "p", "mine", {"size": 4}, source())
    prepared = open_prepared(tmp_path / "p")
    assert prepared.shape == (4, 5, 3)
    assert prepared.attributes == ("hat", "kind")
    for split in SPLITS:
        images, attributes = prepared.split(split)
        expected = random_examples(split)
        np.testing.assert_array_equal(images, [example.image for example in expected])
        np.testing.assert_array_equal(attributes, [example.attributes for example in expected])
        assert (images.dtype, attributes.dtype) == (np.uint8, np.int16)
        low, high = prepared.info["splits"][split]["range"]
        assert (low, high) == (images.min(), images.max())
    assert prepared.info["classes"] == {"kind": ["a", "b"]}
    assert prepared.info["origin"] == {"made": "here"}
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_grey_dataset_without_attributes_round_trips(tmp_path):
    grey = {
        split: (lambda split=split: (e._replace(attributes=()) for e in random_examples(split, (2, 2, 1))))
        for split in SPLITS
    }
    prepared = write_prepared(tmp_path / "p", "mine", {}, Source((), {}, grey, {}))
    images, attributes = prepared.split("train")
    assert images.shape == (12, 2, 2, 1)
    assert attributes.shape == (12, 0)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, UserError])
def test_a_failure_leaves_nothing_behind(tmp_path, error):
    with pytest.raises(error):
        write_prepared(tmp_path / "data" / "p", "mine", {}, source(validation=broken(error("stop"))))
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_kept(tmp_path):
    write_prepared(tmp_path / "data" / "first", "mine", {}, source())
    with pytest.raises(KeyboardInterrupt):
        write_prepared(tmp_path / "data" / "second", "mine", {}, source(test=broken(KeyboardInterrupt())))
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["first"]


def test_leftovers_of_a_killed_process_are_replaced(tmp_path):
    stale = tmp_path / ".p.partial-999999999"
    stale.mkdir()
    (stale / "train.npy").write_bytes(b"half")
    (stale / "junk.bin").write_bytes(b"half")
    write_prepared(tmp_path / "p", "mine", {}, source())
    assert [path.name for path in tmp_path.iterdir()] == ["p"]
    assert not (tmp_path / "p" / "junk.bin").exists()


def test_images_of_two_shapes_are_refused(tmp_path):
    for split in ("train", "test"):
        others = {split: lambda: iter([*random_examples("test"), *random_examples("test", (5, 4, 3))])}
        with pytest.raises(UserError, match=r"differ in shape: \[4, 5, 3\] and \[5, 4, 3\]"):
            write_prepared(tmp_path / "p", "mine", {}, source(**others))


def test_an_empty_split_is_refused(tmp_path):
    with pytest.raises(UserError, match="mine has no images for the validation split"):
        write_prepared(tmp_path / "p", "mine", {}, source(validation=lambda: iter([])))
    assert list(tmp_path.iterdir()) == []


def test_a_newer_format_and_damage_are_reported(tmp_path):
    with pytest.raises(UserError, match="no prepared dataset"):
        open_prepared(tmp_path / "p")
    write_prepared(tmp_path / "p", "mine", {}, source())
    description = tmp_path / "p" / "dataset.json"
    info = json.loads(description.read_text())
    description.write_text(json.dumps(info | {"format_version": 99}))
    with pytest.raises(UserError, match="data format 99"):
        open_prepared(tmp_path / "p")
    description.write_text(description.read_text()[:50])
    with pytest.raises(UserError, match=r"dataset\.json is damaged"):
        open_prepared(tmp_path / "p")


def test_truncated_missing_and_swapped_arrays_are_detected(tmp_path):
    prepared = write_prepared(tmp_path / "p", "mine", {}, source())
    train, test = tmp_path / "p" / "train.npy", tmp_path / "p" / "test.npy"
    whole = train.read_bytes()
    train.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=r"train\.npy is missing or damaged"):
        prepared.split("train")
    train.write_bytes(test.read_bytes())
    with pytest.raises(UserError, match=r"train\.npy does not match"):
        prepared.split("train")
    train.unlink()
    with pytest.raises(UserError, match=r"train\.npy is missing"):
        prepared.split("train")
    with pytest.raises(UserError, match="unknown split 'valid'"):
        prepared.split("valid")


def test_preparing_again_does_not_read_the_source(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.zeros((10, 4, 4), np.uint8))
    config = DataConfig(name=str(tmp_path / "a.npy"), size=4, root=str(tmp_path / "data"))
    first = prepare(config)
    (tmp_path / "a.npy").unlink()
    assert prepare(config).info == first.info
    with pytest.raises(UserError, match="does not exist"):
        prepare(DataConfig(name=str(tmp_path / "a.npy"), size=5, root=str(tmp_path / "data")))


def test_each_recipe_has_its_own_folder():
    base = {"name": "folder", "raw": "pictures", "size": 8}
    changes = [{}, {"size": 9}, {"size": None}, {"crop": 4}, {"color": "grey"}, {"raw": "others"}, {"name": "celeb_a"}]
    paths = {prepared_path(DataConfig(**(base | change))) for change in changes}
    assert len(paths) == len(changes)
    # What happens to pixels after they were prepared does not matter.
    assert prepared_path(DataConfig(**base, flip=True, shift=2, pixels="binarized")) in paths


def test_the_source_is_always_closed(tmp_path, monkeypatch):
    closed = []
    for number, validation in enumerate([lambda: iter(random_examples("validation")), broken(RuntimeError("stop"))]):
        made = source(validation=validation)._replace(close=lambda: closed.append(True))
        monkeypatch.setattr("jaxvae.data.sources.containers.source.container", lambda path, config, made=made: made)
        config = DataConfig(name=f"set{number}.npy", root=str(tmp_path))
        if number == 0:
            prepare(config)
        else:
            with pytest.raises(RuntimeError):
                prepare(config)
    assert closed == [True, True]


def test_scratch_needs_a_writable_folder(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written to"), temp_dir(tmp_path / "file" / "work"):
        pass
