import numpy as np
import pytest

from jaxvae.data.batches import batch_indices, once


def test_each_epoch_holds_every_example_once_and_no_batch_is_ragged():
    batches = [batch_indices(5, step, 4, 10) for step in range(10)]
    assert {len(batch) for batch in batches} == {4}
    order = np.concatenate(batches).reshape(4, 10)
    for epoch in order:
        assert sorted(epoch) == list(range(10))
    assert len({tuple(epoch) for epoch in order}) == 4


def test_a_batch_depends_on_seed_and_step_alone():
    np.testing.assert_array_equal(batch_indices(1, 37, 8, 100), batch_indices(1, 37, 8, 100))
    assert not np.array_equal(batch_indices(1, 37, 8, 100), batch_indices(2, 37, 8, 100))


def test_a_batch_larger_than_the_set_spans_epochs():
    batch = batch_indices(0, 0, 7, 3)
    assert sorted(batch[:3]) == sorted(batch[3:6]) == [0, 1, 2]


@pytest.mark.parametrize(("count", "batch"), [(10, 4), (8, 4), (1, 4), (4, 1)])
def test_once_counts_every_example_once(count, batch):
    parts = list(once(count, batch))
    assert {len(indices) for indices, _ in parts} == {batch}
    seen = np.concatenate([indices[:real] for indices, real in parts])
    np.testing.assert_array_equal(seen, np.arange(count))
