import json
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from conftest import DENSE, mistake, saved_run, tiny_config, untrained
from PIL import Image

import jaxvae as jv
from jaxvae import HVAE, Autoencoder, KLAutoencoder
from jaxvae.codes import Moments, diffusion_numbers
from jaxvae.decode import decode
from jaxvae.encode import encode
from jaxvae.errors import UserError
from jaxvae.inference import encode_means, posteriors, reconstruct
from jaxvae.latents import latent_writing
from jaxvae.latents.latent_folder import Scaling
from jaxvae.latents.latent_writing import LatentOptions, write_latents
from jaxvae.runs.run import load

SMALL = KLAutoencoder(channels=(4, 8), groups=2, latent=3)
COUNTS = {"train": 160, "validation": 50, "test": 21}


@pytest.fixture(scope="module")
def map_run(disc_set, tmp_path_factory) -> Path:
    """A run whose codes are maps [8, 8, 3]."""
    return saved_run(tmp_path_factory.mktemp("runs") / "maps", tiny_config(model=SMALL), disc_set)


@pytest.fixture(scope="module")
def originals(map_run, disc_set):
    """q(z|x) of the images of each split, in float64."""
    vae, params, _ = load(map_run)
    return {split: posteriors(vae, params, disc_set.split(split).images) for split in COUNTS}


def read(folder: str | Path) -> dict:
    return json.loads((Path(folder) / "latents.json").read_text(), parse_constant=pytest.fail)


def decoded(folder: Path) -> np.ndarray:
    def pixels(path):
        with Image.open(path) as image:
            return np.asarray(image)

    return np.stack([pixels(path) for path in sorted(folder.iterdir())]).astype(int)


def test_moments_of_batches_are_those_of_all_codes_together():
    # Far from 0, where a sum of squares in one pass would lose all digits.
    codes = np.random.default_rng(0).normal([1e6, -3.0], [0.1, 2.0], size=(50, 4, 2)).astype(np.float32)
    whole = codes.astype(np.float64).reshape(-1, 2)
    merged = Moments().add(codes[:7])
    for part in (codes[7:8], codes[8:]):
        merged = merged.merge(Moments().add(part))
    assert merged.n == 200
    np.testing.assert_allclose(merged.mean, whole.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(merged.variance, whole.var(axis=0), rtol=1e-9)


def test_the_numbers_of_a_diffusion_model_by_hand():
    codes = np.asarray([[[1.0, 10.0]], [[3.0, 10.0]]])
    numbers = diffusion_numbers(Moments().add(codes))
    assert numbers["shift_factor"] == 6.0
    assert numbers["scaling_factor"] == pytest.approx(1 / np.std([1.0, 10.0, 3.0, 10.0]))
    assert (numbers["latents_mean"], numbers["latents_std"]) == ([2.0, 10.0], [1.0, 0.0])
    drawn = diffusion_numbers(Moments().add(codes), noise=np.asarray([3.0, 4.0]))
    assert drawn["latents_std"] == [2.0, 2.0]
    assert drawn["scaling_factor"] == pytest.approx((4.0 + 16.0) ** -0.5)
    assert diffusion_numbers(Moments().add(np.ones((3, 2))))["scaling_factor"] is None


def test_a_folder_holds_the_codes_of_all_splits_and_their_statistics(call, map_run, disc_set, originals):
    code, out, err = call(encode, map_run, "--split", "all", "--as", "latents", "--out", "made", "--json")
    assert code == 0, err
    assert json.loads(out)["n"] == COUNTS
    expected = {f"{split}{kind}.npy" for split in COUNTS for kind in ("", ".attributes")} | {"latents.json"}
    assert {path.name for path in Path("made").iterdir()} == expected
    assert [path.name for path in Path.cwd().iterdir()] == ["made"]
    for split, count in COUNTS.items():
        codes = np.load(f"made/{split}.npy", mmap_mode="r")
        assert (codes.shape, codes.dtype) == ((count, 8, 8, 3), np.float32)
        np.testing.assert_array_equal(codes, originals[split].mean)
        np.testing.assert_array_equal(np.load(f"made/{split}.attributes.npy"), disc_set.split(split).attributes)
    about = read("made")
    assert (about["shape"], about["image_shape"], about["axes"]) == ([8, 8, 3], [16, 16, 3], ["n", "h", "w", "c"])
    assert (about["scaling"], about["applied"], about["data"], about["step"]) == ("none", None, "discs", 1)
    assert about["run"] == str(map_run.resolve())
    statistics, rows = about["statistics"], originals["train"].mean.astype(np.float64)
    assert (statistics["split"], statistics["of"]) == ("train", "posterior means")
    assert statistics["scaling_factor"] == pytest.approx(1 / rows.std(), rel=1e-9)
    assert statistics["shift_factor"] == pytest.approx(rows.mean(), rel=1e-9)
    np.testing.assert_allclose(statistics["latents_mean"], rows.mean(axis=(0, 1, 2)), rtol=1e-9)
    np.testing.assert_allclose(statistics["latents_std"], rows.std(axis=(0, 1, 2)), rtol=1e-9)


def test_scaled_moments_and_flips(call, map_run, disc_set, originals):
    arguments = ("--as", "latents", "--moments", "--flips", "--scaling", "measured", "--out", "made")
    assert call(encode, map_run, *arguments)[0] == 0
    about, posterior = read("made"), originals["train"]
    vae, params, _ = load(map_run)
    flipped = posteriors(vae, params, disc_set.split("train").images[:, :, ::-1].copy())
    means = np.concatenate([posterior.mean, flipped.mean]).astype(np.float64)
    variances = np.exp(np.concatenate([posterior.log_variance, flipped.log_variance]).astype(np.float64))
    # Of draws, whose variance is that of the means and the mean of the variances.
    deviation = np.sqrt(means.var() + variances.mean())
    assert about["statistics"]["scaling_factor"] == pytest.approx(1 / deviation, rel=1e-5)
    assert about["applied"] == {"shift": pytest.approx(means.mean(), rel=1e-6), "factor": pytest.approx(1 / deviation)}
    np.testing.assert_allclose(
        np.load("made/train.npy"), (posterior.mean - means.mean()) / deviation, rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(
        np.load("made/train.flipped.npy"), (flipped.mean - means.mean()) / deviation, rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(
        np.load("made/train.standard_deviation.npy"), np.exp(0.5 * posterior.log_variance) / deviation, rtol=1e-4
    )
    listed = about["splits"]["test"]["files"]
    assert set(listed) == {path.name for path in Path("made").glob("test*")}
    assert len(listed) == 5


@pytest.mark.parametrize("scaling", ["none", "measured"])
def test_decode_reads_a_folder_and_its_files_back(call, map_run, disc_set, scaling):
    assert call(encode, map_run, "--as", "latents", "--flips", "--scaling", scaling, "--out", "made")[0] == 0
    vae, params, _ = load(map_run)
    images = disc_set.split("test").images
    # The run is left out: latents.json says which it is.
    for source, original in (("made", images), ("made/test.flipped.npy", images[:, :, ::-1].copy())):
        out = Path(f"images-{Path(source).stem}")
        code, _, err = call(decode, source, "--out", out)
        assert code == 0, err
        assert np.max(np.abs(decoded(out) - reconstruct(vae, params, original))) <= 1
    assert sorted(Path("images-made").iterdir())[0].name == "00000-test-0.png"


@pytest.mark.slow
def test_factors_that_came_with_the_model_are_applied_per_channel(disc_set, tmp_path):
    model = KLAutoencoder(
        channels=(4, 8), groups=2, latent=2, scaling_factor=0.5, latents_mean=(1.0, -2.0), latents_std=(2.0, 4.0)
    )
    loaded = untrained(tiny_config(model=model), disc_set)
    options = LatentOptions(("test",), scaling="recorded")
    about = write_latents(loaded, disc_set, tmp_path / "made", options)
    assert about["applied"] == {"shift": [1.0, -2.0], "factor": [0.25, 0.125]}
    assert about["recorded"]["scaling_factor"] == 0.5
    means = encode_means(loaded.vae, loaded.params, disc_set.split("test").images)
    expected = (np.asarray(means) - [1.0, -2.0]) * [0.25, 0.125]
    np.testing.assert_allclose(np.load(tmp_path / "made" / "test.npy"), expected, rtol=1e-5, atol=1e-6)
    # The statistics are those of the training codes, though only the test codes are written.
    rows = np.asarray(encode_means(loaded.vae, loaded.params, disc_set.split("train").images), np.float64)
    assert about["statistics"]["shift_factor"] == pytest.approx(rows.mean(), abs=1e-6)
    assert {path.name for path in (tmp_path / "made").iterdir()} == {
        "test.npy", "test.attributes.npy", "latents.json"
    }  # fmt: skip


@pytest.mark.parametrize("rows", [1, 5, 100])
def test_codes_are_scaled_chunk_by_chunk(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(latent_writing, "ROWS", rows)
    codes = np.random.default_rng(0).normal(size=(13, 2, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", codes)
    latent_writing._rewrite(tmp_path / "x.npy", Scaling(np.asarray(1.0), np.asarray([2.0, 3.0, 4.0])).apply)
    np.testing.assert_allclose(np.load(tmp_path / "x.npy"), (codes - 1.0) * [2.0, 3.0, 4.0], rtol=1e-5, atol=1e-6)


def test_codes_that_are_vectors_are_written_as_rows(call, dense_run):
    code, out, err = call(encode, dense_run, "--as", "latents", "--split", "test", "--json")
    assert code == 0, err
    folder = Path(json.loads(out)["latents"])
    assert folder == dense_run / "codes" / "latents-test"
    assert np.load(folder / "test.npy").shape == (21, 3)
    assert read(folder)["axes"] == ["n", "c"]
    mistake(call(encode, dense_run, "--as", "latents", "--split", "test"), "latents-test already exists")
    assert call(encode, dense_run, "--as", "latents", "--split", "test", "--overwrite", "--moments")[0] == 0
    assert (folder / "test.standard_deviation.npy").is_file()
    assert [path.name for path in folder.parent.iterdir()] == ["latents-test"]


def test_a_model_without_posterior_deviations_or_whose_code_is_a_hierarchy(disc_set, tmp_path):
    plain = untrained(tiny_config(model=DENSE, objective=Autoencoder()), disc_set)
    with pytest.raises(UserError, match="plain autoencoder, which has no posterior deviations; leave out --moments"):
        write_latents(plain, disc_set, tmp_path / "a", LatentOptions(("test",), moments=True))
    write_latents(plain, disc_set, tmp_path / "a", LatentOptions(("test",)))
    levels = untrained(tiny_config(model=HVAE()), disc_set)
    with pytest.raises(UserError, match=r"consists of 2 arrays .*but latents are one array per image"):
        write_latents(levels, disc_set, tmp_path / "b", LatentOptions())
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_nothing_is_left_of_a_folder_that_could_not_be_finished(disc_set, tmp_path, monkeypatch):
    loaded = untrained(tiny_config(model=DENSE), disc_set)
    broken = jax.tree.map(lambda leaf: leaf * np.nan, loaded.params)
    with pytest.raises(UserError, match="codes of train are not finite: the model made is damaged"):
        write_latents(loaded._replace(params=broken), disc_set, tmp_path / "made", LatentOptions())
    equal = jax.tree.map(lambda leaf: leaf * 0.0, loaded.params)
    with pytest.raises(UserError, match="codes of all images are equal"):
        write_latents(loaded._replace(params=equal), disc_set, tmp_path / "made", LatentOptions())
    monkeypatch.setattr(latent_writing.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match=r"latents take 2.77e-06 GB, but only 1e-06 GB are free"):
        write_latents(loaded, disc_set, tmp_path / "made", LatentOptions())
    monkeypatch.undo()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(latent_writing, "_append", full)
    with pytest.raises(UserError, match="cannot be written: No space left on device"):
        write_latents(loaded, disc_set, tmp_path / "made", LatentOptions())
    assert list(tmp_path.iterdir()) == []


def test_the_library_writes_the_same_folder_and_refuses_the_same(call, dense_run, disc_set, tmp_path):
    run = jv.load(dense_run)
    about = run.write_latents(disc_set, tmp_path / "a", splits=("test",), scaling="measured")
    assert about == read(tmp_path / "a")
    assert call(encode, dense_run, "--as", "latents", "--split", "test", "--scaling", "measured", "--out", "b")[0] == 0
    assert (tmp_path / "a" / "test.npy").read_bytes() == Path("b/test.npy").read_bytes()
    assert read("b") == about
    for wrong, message in (
        ({"splits": ("tset",)}, "unknown split 'tset'; did you mean 'test'"),
        ({"splits": ()}, "no splits to encode; give some of"),
        ({}, "a already exists; choose another --out"),
    ):
        with pytest.raises(UserError, match=message):
            run.write_latents(disc_set, tmp_path / ("c" if wrong else "a"), **wrong)
    with pytest.raises(UserError, match="unknown scaling 'measure'; did you mean 'measured'"):
        write_latents(run, disc_set, tmp_path / "c", LatentOptions(scaling="measure"))


def test_bad_requests_of_latents(call, dense_run, tmp_path_factory):
    latents = ("--as", "latents")
    mistake(call(encode, dense_run, "test:0", *latents), "--as latents encodes splits", "not the image test:0")
    mistake(call(encode, dense_run, *latents, "--standardize"), "--standardize has no effect on latents")
    mistake(call(encode, dense_run, *latents, "--levels", 1), "--levels has no effect on latents")
    mistake(call(encode, dense_run, *latents, "--out", "c.npz"), "latents are written to a folder")
    mistake(call(encode, dense_run, *latents, "--scaling", "recorded", "--out", "x"), "records no scaling factor")
    for flags in (["--moments"], ["--flips"], ["--scaling", "measured"], ["--split", "all"]):
        mistake(call(encode, dense_run, *flags), flags[0], "is for latents; add --as latents")
    folder = tmp_path_factory.mktemp("mine")
    (folder / "precious.txt").write_text("precious")
    mistake(call(encode, dense_run, *latents, "--out", folder, "--overwrite"), "is not a folder of latents")
    assert (folder / "precious.txt").read_text() == "precious"


def test_damaged_folders_are_refused(call, dense_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    np.save(folder / "test.npy", np.zeros((4, 3), np.float32))
    np.save(folder / "test.standard_deviation.npy", np.ones((4, 3), np.float32))
    good = {"format_version": 1, "splits": {"test": {}}, "applied": None}
    damaged = {
        "not JSON": ("{", "is damaged"),
        "no splits": (json.dumps(good | {"splits": {}}), "is damaged"),
        "a list": ("[]", "is damaged"),
        "newer": (json.dumps(good | {"format_version": 99}), "latent format 99"),
        "factor 0": (json.dumps(good | {"applied": {"shift": 0, "factor": 0}}), "'applied' must have"),
        "wrong length": (json.dumps(good | {"applied": {"shift": [1, 2], "factor": 1}}), "'applied' must have"),
        "words": (json.dumps(good | {"applied": {"shift": "x", "factor": 1}}), "'applied' must have"),
    }
    for text, phrase in damaged.values():
        (folder / "latents.json").write_text(text)
        mistake(call(decode, dense_run, folder, "--out", "x.png"), phrase)
    (folder / "latents.json").write_text(json.dumps(good))
    deviations = folder / "test.standard_deviation.npy"
    mistake(call(decode, dense_run, deviations, "--out", "x.png"), "does not hold codes", "give one of test.npy")
