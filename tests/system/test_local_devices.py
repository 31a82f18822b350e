import jax
import numpy as np
import pytest

from jaxvae.system.local_devices import local_layout, worthwhile


@pytest.mark.parametrize(
    ("available", "batch_size", "parts", "expected"),
    [(8, 64, 1, 8), (8, 32, 1, 4), (8, 24, 1, 3), (8, 15, 1, 1), (8, 16, 1, 2), (2, 64, 1, 2), (1, 64, 1, 1),
     (3, 64, 1, 2), (8, 64, 4, 8), (8, 24, 4, 3), (8, 18, 2, 1), (8, 0, 1, 1)],
)  # fmt: skip
def test_each_device_gets_an_equal_share_of_at_least_eight_images(available, batch_size, parts, expected):
    assert worthwhile(available, batch_size, parts) == expected


@pytest.mark.parametrize(
    ("available", "batch_size", "samples", "expected"),
    [(2, 2, 50, 2), (8, 3, 50, 3), (8, 6, 2, 1), (4, 6, 3, 2), (8, 64, 1, 8), (1, 3, 50, 1)],
)
def test_samples_of_an_image_count_towards_the_share_but_are_not_divided(available, batch_size, samples, expected):
    assert worthwhile(available, batch_size, samples=samples) == expected


def test_a_batch_is_divided_and_what_it_is_computed_with_is_on_each_device():
    layout, count = local_layout(32), min(4, len(jax.local_devices()))
    batch = layout.divided(np.arange(64.0).reshape(32, 2))
    assert [shard.data.shape for shard in batch.addressable_shards] == [(32 // count, 2)] * count
    params = layout.replicated({"scale": np.float32(3.0)})
    result = jax.jit(lambda params, batch: params["scale"] * batch)(params, batch)
    assert len(result.sharding.device_set) == count
    np.testing.assert_array_equal(result, 3.0 * np.arange(64.0).reshape(32, 2))


def test_no_other_devices_are_used_than_the_ones_given():
    chosen = jax.local_devices()[1:3]
    assert local_layout(64, chosen).divided(np.zeros((64, 2))).sharding.device_set == set(chosen)
    assert local_layout(64, chosen[:1]).replicated(np.zeros(3)).sharding.device_set == set(chosen[:1])
