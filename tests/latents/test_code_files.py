import builtins
import json
import sys
from pathlib import Path

import jax
import numpy as np
import pyarrow.parquet
import pytest
from conftest import DENSE, mistake, saved_run, tiny_config, untrained
from PIL import Image

from jaxvae import Autoencoder, Conv
from jaxvae.codes import CodeStatistics, unflatten
from jaxvae.decode import decode
from jaxvae.encode import encode
from jaxvae.errors import UserError
from jaxvae.inference import code_statistics, decode_to_images, reconstruct
from jaxvae.latents import code_files
from jaxvae.latents.code_files import read_codes, saved_code, source_run, write_codes
from jaxvae.latents.encoding import Encoded, encode_images, encode_split, standardize_codes
from jaxvae.runs.run import load
from jaxvae.vae import code_shape

SPATIAL = Conv(latent_kind="spatial", latent=2, channels=(4, 4))


def read_image_array(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("scaled", [False, True])
def test_encoding_and_decoding_match_reconstruct(disc_set, tmp_path, scaled):
    loaded = untrained(tiny_config(model=SPATIAL), disc_set)
    encoded = encode_split(loaded, disc_set, "test")
    assert encoded.mean.shape == (21, 4, 4, 2)
    if scaled:
        train = disc_set.split("train").images
        encoded = standardize_codes(encoded, code_statistics(loaded.vae, loaded.params, train))
    write_codes(tmp_path / "x.npz", encoded, {})
    saved = read_codes(tmp_path / "x.npz", code_shape(loaded.vae, loaded.params))
    pictures = decode_to_images(loaded.vae, loaded.params, saved.mean).astype(int)
    expected = reconstruct(loaded.vae, loaded.params, disc_set.split("test").images)
    # A standardised code comes back to within the rounding of float32, which may turn a grey level.
    assert np.max(np.abs(pictures - expected)) <= (1 if scaled else 0)
    assert saved.names[:2] == ("test:0", "test:1")


def test_the_command_and_its_inverse(call, dense_run, disc_set):
    code, out, _ = call(encode, dense_run, "--split", "test", "--out", "c.npz", "--json")
    result = json.loads(out)
    assert (code, result["n"], result["units"]) == (0, 21, 3)
    with np.load("c.npz", allow_pickle=False) as file:
        assert file["mean"].shape == file["standard_deviation"].shape == (21, 3)
        assert (file["standard_deviation"] > 0).all()
        np.testing.assert_array_equal(file["attributes"], disc_set.split("test").attributes)
        assert file["attribute_names"].tolist() == ["red", "high", "width"]
        assert json.loads(str(file["about"]))["classes"] == {"width": ["small", "medium", "large"]}
        assert "code_mean" not in file.files
    vae, params, _ = load(dense_run)
    expected = reconstruct(vae, params, disc_set.split("test").images)
    # The run is left out: the file says which it is of.
    assert call(decode, "c.npz", "--out", "faces")[0] == 0
    files = sorted(Path("faces").iterdir())
    assert [file.name for file in files[:2]] == ["00000-test-0.png", "00001-test-1.png"]
    np.testing.assert_array_equal(np.stack([read_image_array(file) for file in files]), expected)
    assert call(decode, dense_run, "c.npz", "--out", "sheet.png")[0] == 0
    assert read_image_array("sheet.png")[:128:8, :128:8].shape == expected[0].shape
    np.testing.assert_array_equal(read_image_array("sheet.png")[:128:8, :128:8], expected[0])


def test_a_broken_image_in_a_folder_is_skipped(call, dense_run, tmp_path_factory, caplog):
    folder = tmp_path_factory.mktemp("mine")
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    for i in range(3):
        Image.new("RGB", (9, 9), (i, 0, 0)).save(folder / f"{i}.png")
    code, out, err = call(encode, dense_run, folder, "--out", folder.parent / "c.npz", "--json")
    assert code == 0, err
    assert json.loads(out)["n"] == 3
    assert "skipped 1 of 4 images" in caplog.text
    assert "torn.png cannot be read as an image" in caplog.text
    mistake(call(encode, dense_run, folder / "torn.png", "--out", "d.npz"), "torn.png cannot be read")


def test_folders_files_and_test_images_are_encoded(call, dense_run):
    Path("many/below").mkdir(parents=True)
    Image.new("RGBA", (301, 57), (200, 10, 10, 90)).save("many/b.png")
    Image.new("L", (9, 40), 77).save("many/below/a.gif")
    Path("many/.hidden.png").write_text("no picture")
    Path("many/notes.txt").write_text("no picture")
    Image.new("I;16", (20, 20)).save("single.png")
    assert call(encode, dense_run, "many", "test:3", "single.png", "--out", "c.npz")[0] == 0
    with np.load("c.npz") as file:
        assert file["names"].tolist() == ["many/b.png", "many/below/a.gif", "test:3", "single.png"]
        assert file["mean"].shape == (4, 3)
        assert "attributes" not in file.files


def test_standardised_codes_record_their_statistics_and_decode_inverts_them(call, dense_run, disc_set):
    assert call(encode, dense_run, "--split", "train", "--standardize", "--out", "s.npz")[0] == 0
    assert call(encode, dense_run, "--split", "train", "--out", "c.npz")[0] == 0
    with np.load("s.npz") as file, np.load("c.npz") as plain:
        np.testing.assert_allclose(file["mean"].mean(axis=0), 0.0, atol=1e-3)
        np.testing.assert_allclose(file["mean"].std(axis=0), 1.0, atol=1e-3)
        np.testing.assert_allclose(file["code_mean"], plain["mean"].mean(axis=0), rtol=1e-4, atol=1e-6)
        ratio = plain["standard_deviation"] / file["standard_deviation"]
        np.testing.assert_allclose(ratio, np.tile(file["code_standard_deviation"], (160, 1)), rtol=1e-5)
    vae, params, _ = load(dense_run)
    like = code_shape(vae, params)
    first, second = (read_codes(Path(name), like).mean for name in ("s.npz", "c.npz"))
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-6)


def test_statistics_of_the_checkpoint_take_precedence(call, dense_run, monkeypatch):
    """A made-up pair, which no pictures could give."""
    loaded = load(dense_run)
    made = CodeStatistics(np.asarray([1.0, 2.0, 3.0], np.float32), np.asarray([10.0, 10.0, 10.0], np.float32))
    monkeypatch.setattr(
        "jaxvae.runs.run.load", lambda run: loaded._replace(info=loaded.info._replace(code_statistics=made))
    )
    assert call(encode, dense_run, "test:0", "--standardize", "--out", "s.npz")[0] == 0
    with np.load("s.npz") as file:
        np.testing.assert_array_equal(file["code_mean"], made.mean)


def test_a_run_loads_the_statistics_that_its_checkpoint_has(dense_run, disc_set, tmp_path):
    vae, params, info = load(dense_run)
    assert info.code_statistics is None
    statistics = code_statistics(vae, params, disc_set.split("train").images)
    saved_run(tmp_path, info.config, disc_set, code_statistics=statistics._asdict())
    jax.tree.map(np.testing.assert_array_equal, load(tmp_path).info.code_statistics, statistics)


def test_standardising_requires_images_or_statistics(call, dense_run):
    phrases = "no statistics of its training codes", "no longer in gone"
    mistake(call(encode, dense_run, "test:0", "--standardize", "--data", "gone", "--out", "s.npz"), *phrases)


def test_an_autoencoder_has_no_standard_deviations(disc_set, tmp_path):
    loaded = untrained(tiny_config(model=DENSE, objective=Autoencoder()), disc_set)
    encoded = encode_images(loaded, ["test:0", "test:5"], disc_set.data)
    assert encoded.standard_deviation is None
    write_codes(tmp_path / "x.npz", encoded, {})
    with np.load(tmp_path / "x.npz") as file:
        assert "standard_deviation" not in file.files


def test_parquet_holds_the_same_data_in_columns(call, dense_run, disc_set):
    assert call(encode, dense_run, "--standardize", "--out", "c.parquet")[0] == 0
    assert call(encode, dense_run, "--standardize", "--out", "c.npz")[0] == 0
    table = pyarrow.parquet.read_table("c.parquet")
    with np.load("c.npz") as file:
        np.testing.assert_array_equal(np.asarray(table["mean"].to_pylist(), np.float32), file["mean"])
        np.testing.assert_array_equal(
            np.asarray(table["standard_deviation"].to_pylist(), np.float32), file["standard_deviation"]
        )
        np.testing.assert_array_equal(table["attribute_width"].to_numpy(), file["attributes"][:, 2])
        about = json.loads(table.schema.metadata[b"jaxvae"])
        np.testing.assert_allclose(about["code_mean"], file["code_mean"], rtol=1e-6)
    assert table["name"].to_pylist()[20] == "test:20"
    assert (about["standardized"], about["code_shape"]) == (True, [3])


def test_parquet_without_pyarrow_names_the_extra(call, dense_run, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def without(name, *rest, **named):
        if name.partition(".")[0] == "pyarrow":
            raise ImportError("No module named 'pyarrow'")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    mistake(call(encode, dense_run, "test:0", "--out", "c.parquet"), "pip install 'jaxvae[parquet]'")


def test_bad_requests_of_encode(call, dense_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    mistake(call(encode, dense_run, folder, "--out", "c.npz"), "no image files", str(folder))
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    mistake(call(encode, dense_run, folder, "--out", "c.npz"), "torn.png cannot be read as an image")
    mistake(call(encode, dense_run, "nowhere.png", "--out", "c.npz"), "no image matches 'nowhere.png'")
    mistake(call(encode, dense_run, "--out", "c.csv"), "must end in .npz or .parquet")
    mistake(call(encode, dense_run, "test:0", "--split", "test"), "give images or a split")
    mistake(call(encode, dense_run, "--split", "tset"), "tset")
    mistake(call(encode, folder / "torn.png", "--out", "c.npz"), "torn.png is a file, not a run")
    precious = folder / "c.npz"
    precious.write_text("precious")
    mistake(call(encode, dense_run, "test:0", "--out", precious), "c.npz already exists")
    assert precious.read_text() == "precious"
    assert call(encode, dense_run, "test:0", "--out", precious, "--overwrite")[0] == 0


def files(folder, **arrays):
    path = folder / "made.npz"
    np.savez(path, **arrays)
    return path


BAD_CODES = {
    "too wide": ({"mean": np.zeros((5, 7))}, "codes of shape (7,) (float64)", "have shape (3,)"),
    "a map": ({"mean": np.zeros((5, 2, 2, 3))}, "codes of shape (2, 2, 3)"),
    "one number": ({"mean": np.asarray(3.0)}, "codes of shape ()"),
    "none": ({"mean": np.zeros((0, 3))}, "contains no codes"),
    "not finite": ({"mean": np.full((2, 3), np.nan)}, "contains values that are not finite"),
    "words": ({"mean": np.asarray([["a", "b", "c"]])}, "codes of shape (3,) (<U1)"),
    "objects": ({"mean": np.asarray([[None] * 3], object)}, "is not a readable .npz file of plain arrays"),
    "another name": (
        {"codes": np.zeros((5, 3)), "b": np.zeros(5)},
        "has the arrays codes, b; expected codes named 'mean'",
    ),
    "half of the statistics": (
        {"mean": np.zeros((5, 3)), "code_mean": np.zeros(3)},
        "only code_mean; standardised codes need code_mean and code_standard_deviation",
    ),
    "statistics of another": (
        {"mean": np.zeros((5, 3)), "code_mean": np.zeros(4), "code_standard_deviation": np.ones(4)},
        "codes of shape (4,)",
    ),
}


@pytest.mark.parametrize("name", BAD_CODES)
def test_codes_that_do_not_fit_are_refused(call, dense_run, tmp_path_factory, name):
    arrays, *phrases = BAD_CODES[name]
    path = files(tmp_path_factory.mktemp("made"), **arrays)
    mistake(call(decode, dense_run, path, "--out", "x.png"), str(path), *phrases)


def test_a_single_array_is_decoded_like_a_file_of_encode(call, dense_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("codes")
    codes = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.savez(folder / "mean.npz", mean=codes)
    np.savez(folder / "unnamed.npz", codes)
    np.save(folder / "plain.npy", codes)
    sheets = []
    for name in ("mean.npz", "unnamed.npz", "plain.npy"):
        code, _, err = call(decode, dense_run, folder / name, "--out", folder / f"{name}.png")
        assert code == 0, err
        sheets.append((folder / f"{name}.png").read_bytes())
    assert sheets[0] == sheets[1] == sheets[2]
    np.save(folder / "wide.npy", np.zeros((2, 5)))
    mistake(call(decode, dense_run, folder / "wide.npy", "--out", "x.png"), "wide.npy")


def test_bad_requests_of_decode(call, dense_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("codes")
    mistake(call(decode), "no codes to decode")
    mistake(call(decode, dense_run, "c.txt"), "must end in .npz")
    mistake(call(decode, dense_run, folder / "gone.npz"), "does not exist", "gone.npz")
    (folder / "torn.npz").write_bytes(b"PK\x03\x04 and no more")
    mistake(call(decode, dense_run, folder / "torn.npz"), "is not a readable .npz file")
    np.save(folder / "single.npy", np.zeros((2, 3)))
    (folder / "single.npy").rename(folder / "single.npz")
    mistake(call(decode, dense_run, folder / "single.npz"), "is not a readable .npz file")
    path = files(folder, mean=np.zeros((2, 3)))
    mistake(call(decode, dense_run, path, "--out", folder), "is not empty")
    mistake(call(decode, dense_run, path, "--out", "x.jpg"), "expected a name ending in .png, or a folder")
    (folder / "x.png").write_text("precious")
    mistake(call(decode, dense_run, path, "--out", folder / "x.png"), "x.png exists")
    (folder / "taken").write_text("precious")
    mistake(call(decode, dense_run, path, "--out", folder / "taken"), "which is a file")
    (folder / "y.png").mkdir()
    mistake(call(decode, dense_run, path, "--out", folder / "y.png"), "which is a folder")
    many = files(folder, mean=np.zeros((4097, 3)))
    mistake(call(decode, dense_run, many, "--out", "x.png"), "a sheet has at most 4096")


def test_foreign_codes_are_decoded_and_a_folder_keeps_its_other_files(call, dense_run):
    np.savez("made.npz", mean=np.zeros((2, 3)))
    assert source_run(Path("made.npz")) is None
    Path("faces").mkdir()
    assert call(decode, dense_run, "made.npz", "--out", "faces")[0] == 0  # An empty folder is not in the way.
    Path("faces/mine.txt").write_text("precious")
    Path("faces/00000-0.png").write_text("old")
    assert call(decode, dense_run, "made.npz", "--out", "faces", "--overwrite")[0] == 0
    assert sorted(path.name for path in Path("faces").iterdir()) == ["00000-0.png", "00001-1.png", "mine.txt"]
    np.testing.assert_array_equal(read_image_array("faces/00000-0.png"), read_image_array("faces/00001-1.png"))


def test_the_current_folder_is_a_valid_output(call, dense_run, tmp_path_factory):
    path = files(tmp_path_factory.mktemp("codes"), mean=np.zeros((2, 3)))
    assert call(decode, dense_run, path, "--out", ".")[0] == 0
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["00000-0.png", "00001-1.png"]


def test_a_deleted_run_is_not_used_for_a_file(tmp_path):
    one = Encoded(("a",), np.zeros((1, 3), np.float32), None)
    write_codes(tmp_path / "x.npz", one, {"run": str(tmp_path / "gone")})
    assert source_run(tmp_path / "x.npz") is None
    write_codes(tmp_path / "x.npz", one, {"run": str(tmp_path)})
    assert source_run(tmp_path / "x.npz") == tmp_path
    with pytest.raises(UserError, match="does not exist"):
        source_run(tmp_path / "y.npz")


def test_one_code_of_a_file_of_top_levels_is_filled_in_alone(tmp_path, monkeypatch):
    rows, levels = np.arange(12, dtype=np.float32).reshape(4, 3), ("top", "below")
    np.savez(tmp_path / "top.npz", mean=rows)
    filled = []
    monkeypatch.setattr(code_files, "unflatten", lambda rows, like: filled.append(rows.shape) or unflatten(rows, like))
    like = (np.zeros(3, np.float32), np.zeros((2, 2), np.float32))
    top, below = saved_code(f"{tmp_path}/top.npz:2", like, levels)
    np.testing.assert_array_equal(top, rows[2])
    np.testing.assert_array_equal(below, np.zeros((2, 2)))
    assert filled == [(1, 7)]
    with pytest.raises(UserError, match="has codes 0 to 3"):
        saved_code(f"{tmp_path}/top.npz:4", like, levels)


def test_a_place_that_cannot_be_written_is_told_before_anything_is_decoded(call, dense_run):
    np.savez("codes.npz", mean=np.zeros((2, 3), np.float32))
    Path("file").write_text("")
    code, _, err = call(decode, dense_run, "codes.npz", "--out", "file/sheet.png")
    assert (code, "file is not a folder" in err) == (2, True)
