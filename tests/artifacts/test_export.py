import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import mistake, saved_run, tiny_config

from jaxvae import MLP, Autoencoder, TinyAutoencoder, UserError
from jaxvae.artifacts import formats
from jaxvae.artifacts.folder import export_run
from jaxvae.artifacts.parts import Part, Port, parts_of, trace
from jaxvae.data.pixels import scale
from jaxvae.export import export
from jaxvae.inference import decode_means, encode_means
from jaxvae.library import load

# A program that has JAX, but no jaxvae.
STRANGER = """
import sys
sys.modules["jaxvae"] = None
import numpy as np
from jax import export
encoder, decoder = (export.deserialize(open(f"out/{name}.stablehlo", "rb").read()) for name in ("encoder", "decoder"))
images = np.load("images.npy")
for n in (1, len(images)):
    np.savez(f"{n}.npz", **encoder.call(images[:n]))
    np.save(f"{n}.npy", decoder.call(np.load(f"{n}.npz")["mean"])["images"])
print(",".join(encoder.platforms))
"""


def test_another_program_runs_the_stablehlo_files_without_jaxvae(call, disc_run, disc_set):
    code, out, err = call(export, disc_run, "--out", "out", "--as", "stablehlo", "--json")
    assert code == 0, err
    assert json.loads(out)["decoder_stablehlo"] == "out/decoder.stablehlo"
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "decoder.stablehlo", "encoder.stablehlo", "export.json",
    ]  # fmt: skip
    images = disc_set.split("test").images[:5]
    np.save("images.npy", np.asarray(scale(images)))
    told = subprocess.run([sys.executable, "-c", STRANGER], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "cpu,cuda,tpu"
    vae, params, _ = load(disc_run)
    posterior = jax.jit(lambda x: vae.encode(params, x))(scale(images))
    for n in (1, 5):
        found = np.load(f"{n}.npz")
        np.testing.assert_allclose(found["mean"], posterior.mean[:n], atol=1e-5)
        np.testing.assert_allclose(found["log_variance"], posterior.log_variance[:n], atol=1e-5)
        np.testing.assert_allclose(np.load(f"{n}.npy"), decode_means(vae, params, posterior.mean[:n]), atol=1e-5)


def test_a_run_is_exported_from_python_and_its_description_says_what_goes_in_and_out(dense_run, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    run, folder = load(dense_run), tmp_path / "out"
    about = run.export(folder)
    assert json.loads((folder / "export.json").read_text()) == about
    assert (about["image_shape"], about["pixel_range"], about["model"]) == ([16, 16, 3], [0.0, 1.0], "mlp")
    assert about["encoder"]["files"] == {"stablehlo": "encoder.stablehlo", "onnx": "encoder.onnx"}
    assert [each["name"] for each in about["encoder"]["outputs"]] == ["mean", "log_variance"]
    assert about["decoder"]["inputs"][0]["shape"] == ["b", 3]
    assert 0 <= about["decoder"]["onnx_difference"] < 1e-5
    assert about["versions"]["jax"] == jax.__version__
    codes = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    decoder = onnxruntime.InferenceSession(folder / "decoder.onnx", providers=["CPUExecutionProvider"])
    (images,) = decoder.run(None, {"z": codes})
    np.testing.assert_allclose(images, decode_means(run.vae, run.params, codes), atol=1e-5)
    assert jax.export.deserialize((folder / "encoder.stablehlo").read_bytes()).in_avals[0].shape[1:] == (16, 16, 3)


def test_an_export_is_replaced_only_on_request_and_nothing_else_ever(call, dense_run, tmp_path):
    assert call(export, dense_run, "--out", "out", "--as", "stablehlo")[0] == 0
    code, _, err = call(export, dense_run, "--out", "out", "--as", "stablehlo")
    assert (code, "out already exists; choose another --out, or replace it with --overwrite" in err) == (2, True)
    Path("out/encoder.stablehlo").write_bytes(b"")
    assert call(export, dense_run, "--out", "out", "--as", "stablehlo", "--overwrite")[0] == 0
    assert Path("out/encoder.stablehlo").stat().st_size > 0
    Path("mine").mkdir()
    Path("mine/letter.txt").write_text("dear")
    code, _, err = call(export, dense_run, "--out", "mine", "--overwrite")
    assert (code, "mine already exists and is not an export" in err) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "out"]


def test_without_out_the_export_is_part_of_the_run(call, dense_run, disc_set, tmp_path_factory):
    run = saved_run(tmp_path_factory.mktemp("own") / "run", tiny_config(model=MLP(hidden=(4,), latent=2)), disc_set)
    for _ in range(2):
        assert call(export, run, "--as", "stablehlo")[0] == 0
    assert (run / "export" / "export.json").exists()


def test_missing_packages_and_wrong_names_are_reported_before_anything_is_opened(call, dense_run, monkeypatch):
    with pytest.raises(UserError, match="unknown format 'onx': did you mean 'onnx'"):
        load(dense_run).export("out", formats=("onx",))
    mistake(call(export, "nowhere", "--out", "out", "--as", "stablehlo"), "the run nowhere does not exist")
    monkeypatch.setattr(formats, "_missing", lambda *names: [name for name in names if name != "onnx"])
    mistake(call(export, dense_run, "--out", "out"), "flatbuffers", "pip install 'jaxvae[export]'")
    mistake(
        call(export, dense_run, "--out", "out", "--as", "onnx"),
        "but onnxruntime cannot be imported; pip install 'jaxvae[export]', or leave ONNX out with --as stablehlo",
    )


def test_an_autoencoder_has_no_variances_and_computes_in_float32(disc_set, tmp_path):
    model = TinyAutoencoder(
        latent=2, encoder_channels=2, decoder_channels=2, encoder_blocks=(0, 0), decoder_blocks=(0, 0), dtype="bfloat16"
    )
    run = load(saved_run(tmp_path / "run", tiny_config(model=model, objective=Autoencoder()), disc_set))
    encoder, _ = parts_of(run)
    assert [port.name for port in encoder.outputs] == ["mean"]
    images = disc_set.split("test").images[:2]
    exact = encoder.call(scale(images))["mean"]
    rounded = encode_means(run.vae, run.params, images)
    assert exact.dtype == np.float32
    assert 0 < np.abs(exact - rounded).max() < 0.1


def test_what_needs_to_know_the_size_of_the_batch_is_refused():
    part = Part("decoder", lambda z: {"images": z[: len(z)]}, (Port("z", (2,), ""),), (Port("images", (2,), ""),))
    with pytest.raises(UserError, match="the decoder of a model of kind 'mine' cannot be exported for batches of any"):
        trace(part, "mine")


def test_a_failure_leaves_nothing_behind(dense_run, tmp_path, monkeypatch):
    run = load(dense_run)

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="out cannot be written: No space left on device"):
        export_run(run, tmp_path / "new" / "out", ("stablehlo",))
    assert list(tmp_path.iterdir()) == []
