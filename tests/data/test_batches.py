import numpy as np
import psutil
import pytest

from jaxvae.data import batches
from jaxvae.data.batches import batch_indices, epoch_batches, gather


def test_each_epoch_contains_every_example_once_and_no_batch_is_ragged():
    batches = [batch_indices(5, step, 4, 10) for step in range(10)]
    assert {len(batch) for batch in batches} == {4}
    order = np.concatenate(batches).reshape(4, 10)
    for epoch in order:
        assert sorted(epoch) == list(range(10))
    assert len({tuple(epoch) for epoch in order}) == 4


def test_a_batch_depends_only_on_seed_and_step():
    np.testing.assert_array_equal(batch_indices(1, 37, 8, 100), batch_indices(1, 37, 8, 100))
    assert not np.array_equal(batch_indices(1, 37, 8, 100), batch_indices(2, 37, 8, 100))


def test_a_batch_larger_than_the_set_spans_epochs():
    batch = batch_indices(0, 0, 7, 3)
    assert sorted(batch[:3]) == sorted(batch[3:6]) == [0, 1, 2]


@pytest.mark.parametrize(("count", "batch"), [(10, 4), (8, 4), (1, 4), (4, 1)])
def test_one_pass_yields_every_example_once(count, batch):
    parts = list(epoch_batches(count, batch))
    assert {len(indices) for indices, _ in parts} == {batch}
    seen = np.concatenate([indices[:real] for indices, real in parts])
    np.testing.assert_array_equal(seen, np.arange(count))


def test_pages_of_a_mapped_dataset_are_released(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "MAX_RESIDENT_BYTES", 1_000_000)
    # 64 MB, of which every page is read, 1 MB at a time.
    images = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.uint8, shape=(1024, 256, 256, 1))
    images[:] = np.arange(1024, dtype=np.uint8)[:, None, None, None]
    images.flush()
    mapped = np.asarray(np.load(tmp_path / "x.npy", mmap_mode="r"))
    del images
    before = psutil.Process().memory_info().rss
    for start in range(0, 1024, 16):
        batch = gather(mapped, np.arange(start, start + 16).reshape(2, 8))
        assert (batch[:, :, 5, 5, 0].ravel() == np.arange(start, start + 16) % 256).all()
    assert psutil.Process().memory_info().rss - before < 16e6


def test_images_in_memory_are_gathered_unchanged():
    images = np.arange(24, dtype=np.uint8).reshape(6, 2, 2, 1)
    assert (gather(images, np.array([[4, 0], [5, 4]])) == images[[[4, 0], [5, 4]]]).all()
