import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvae.evaluation.equivariance import TRANSFORMS, Coder, equivariance, flip, halve, rotate

IMAGES = np.random.default_rng(0).integers(0, 256, size=(21, 8, 8, 3), dtype=np.uint8)


def enlarge(z):
    return jnp.repeat(jnp.repeat(z, 2, axis=1), 2, axis=2)


POOLING = Coder(halve, enlarge)


def test_average_pooling_commutes_with_every_transform():
    found = equivariance(lambda shape: POOLING, IMAGES)
    assert set(found) == set(TRANSFORMS) == {"downscaling", "rotation", "flip"}
    for each in found.values():
        assert each["error"] == pytest.approx(0.0, abs=1e-6)
    # 100 dB is the most that psnr gives.
    assert found["flip"]["psnr_db"]["mean"] == found["rotation"]["psnr_db"]["mean"] == pytest.approx(100.0)
    # Its decoder does not commute with halving: enlarged and halved again, codes are as they were; halved first, a
    # block of four has their mean.
    z = np.asarray(halve(jnp.asarray(IMAGES / np.float32(255.0))))
    error = np.square(z - np.asarray(enlarge(halve(jnp.asarray(z))))).mean(axis=(1, 2, 3))
    assert found["downscaling"]["psnr_db"]["mean"] == pytest.approx((-10 * np.log10(error)).mean(), rel=1e-4)


def test_the_identity_commutes_in_both_directions():
    for each in equivariance(lambda shape: Coder(lambda x: x, lambda z: z), IMAGES).values():
        assert each["error"] == 0.0
        assert each["psnr_db"] == {"mean": pytest.approx(100.0), "standard_error": pytest.approx(0.0)}


def test_a_weighted_encoder_is_as_far_off_as_its_weights_say():
    # The left half of the map has the sign +, the right half −: mirrored, each number has the wrong sign.
    def signs(z):
        return jnp.where(jnp.arange(z.shape[2]) < z.shape[2] // 2, 1.0, -1.0)[None, None, :, None]

    coder = Coder(lambda x: (x - 0.5) * signs(x), lambda z: z * signs(z) + 0.5)
    found = equivariance(lambda shape: coder, IMAGES)
    z = (IMAGES / 255.0 - 0.5) * np.asarray(signs(IMAGES))
    spread = np.square(z - z.mean(axis=(0, 1, 2))).sum()
    expected = (4 * np.square(z).sum() / spread) ** 0.5
    assert found["flip"]["error"] == pytest.approx(expected, rel=1e-4)
    assert found["flip"]["error"] == pytest.approx(2.0, abs=0.05)
    # Decoded, 1/2 + y becomes 1/2 − y: the error is 2y.
    image = np.flip(IMAGES, axis=2) / 255.0
    error = np.square(2 * (image - 0.5)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found["flip"]["psnr_db"]["mean"], (-10 * np.log10(error)).mean(), rtol=1e-4)
    # The weights do not depend on the row: halving the resolution commutes, as the middle lies between two blocks.
    assert found["downscaling"]["error"] == pytest.approx(0.0, abs=1e-6)
    assert found["rotation"]["error"] > 0.5


def test_a_strided_sampling_is_not_equivariant_and_neither_scale_nor_offset_of_the_code_matters():
    def sampling(factor, offset):
        return Coder(lambda x: factor * x[:, ::2, ::2] + offset, lambda z: enlarge((z - offset) / factor))

    first, second = (equivariance(lambda shape, each=each: each, IMAGES) for each in (sampling(1, 0), sampling(-50, 7)))
    # The pixels are independent, of variance 1, say. Moved, another pixel of the block is taken: 1 + 1. Halved,
    # both are means of four pixels, one of them the same: 1/4 + 1/4 - 2/16, where the code has the variance 1/4.
    expected = {"flip": 2.0, "rotation": 2.0, "downscaling": 1.5}
    for name, each in first.items():
        assert each["error"] == pytest.approx(expected[name] ** 0.5, rel=0.05), name
        assert each["error"] == pytest.approx(second[name]["error"], rel=1e-3)
        assert each["psnr_db"]["mean"] == pytest.approx(second[name]["psnr_db"]["mean"], rel=1e-3)


def test_constant_codes_have_no_relative_error():
    constant = Coder(lambda x: 0.0 * halve(x), lambda z: enlarge(z))
    found = equivariance(lambda shape: constant, IMAGES)
    assert {each["error"] for each in found.values()} == {None}


def test_transforms_that_there_are_not():
    only = {(8, 8, 3): POOLING}
    found = equivariance(only.get, IMAGES)
    assert found["downscaling"] is None
    assert found["rotation"]["error"] is not None
    wide = equivariance({(8, 6, 3): POOLING}.get, IMAGES[:, :, :6])
    assert (wide["rotation"], wide["downscaling"]) == (None, None)
    odd = equivariance(lambda shape: Coder(lambda x: x, lambda z: z), IMAGES[:, :, :7])
    assert odd["downscaling"] is None
    assert odd["rotation"]["error"] == 0.0


def test_the_transforms_by_hand():
    x = jnp.arange(8.0).reshape(1, 2, 4, 1)
    assert halve(x).ravel().tolist() == [2.5, 4.5]
    assert flip(x).ravel().tolist() == [3, 2, 1, 0, 7, 6, 5, 4]
    assert rotate(x).shape == (1, 4, 2, 1)
    np.testing.assert_array_equal(rotate(x)[0, ..., 0], np.rot90(np.arange(8).reshape(2, 4)))
    assert jax.eval_shape(rotate, x).shape == (1, 4, 2, 1)
