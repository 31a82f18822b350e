import jax
import jax.numpy as jnp
import numpy as np

from jaxvae.data.augmentation import flip_half, shift


def test_mirroring_turns_some_images_left_to_right_and_leaves_the_rest():
    x = jnp.broadcast_to(jnp.arange(3.0)[None, None, :, None], (200, 2, 3, 1))
    turned = np.asarray(flip_half(jax.random.key(0), x))
    left = turned[:, 0, 0, 0]
    assert set(left) == {0.0, 2.0}
    assert 60 < (left == 2.0).sum() < 140
    np.testing.assert_array_equal(turned[left == 2.0][0], x[0, :, ::-1])


def test_each_image_is_moved_by_its_own_whole_number_of_pixels_and_edges_are_repeated():
    image = np.arange(20.0, dtype=np.float32).reshape(4, 5, 1)
    moved = np.asarray(jax.jit(shift, static_argnums=2)(jax.random.key(0), jnp.tile(image[None], (400, 1, 1, 1)), 2))
    rows, columns = np.arange(4), np.arange(5)
    possible = {
        (down, right): image[np.clip(rows - down, 0, 3)][:, np.clip(columns - right, 0, 4)]
        for down in range(-2, 3)
        for right in range(-2, 3)
    }
    found = [[key for key, value in possible.items() if np.array_equal(value, one)] for one in moved]
    assert all(len(keys) == 1 for keys in found)
    counts = [sum(keys[0] == key for keys in found) for key in possible]
    assert min(counts) > 3  # Each of the 25 shifts occurs about 16 times.
