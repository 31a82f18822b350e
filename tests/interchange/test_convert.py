import json
import os
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import tiny_config, untrained
from copies import FILE, KL_4, copy
from parity.comparison import FIXTURES, source_of
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from jaxvae import Adversarial, KLAutoencoder, TinyAutoencoder, TrainConfig, UserError, build
from jaxvae.convert import convert
from jaxvae.encode import encode
from jaxvae.interchange import export_model, import_model
from jaxvae.interchange.former_names import from_original, present_name
from jaxvae.interchange.tensors import places, torch_tensors
from jaxvae.library import fit, load
from jaxvae.reconstruct import reconstruct
from jaxvae.runs.run import load as load_run
from jaxvae.sample import sample
from jaxvae.system.safetensors_files import write_tensors


def header(path):
    with safe_open(path, "numpy") as file:
        return {name: (file.get_slice(name).get_dtype(), file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def bytes_of(path):
    return {name: array.tobytes() for name, array in load_file(path).items()}


@pytest.mark.parametrize("name", ["kl_4_channels", "kl_16_channels", "kl_no_attention", "tiny", "vq"])
@pytest.mark.parametrize("dtype", [None, "bfloat16", "float16"])
def test_a_folder_comes_back_byte_for_byte(name, dtype, tmp_path):
    cast = None if dtype is None else lambda tensors: {key: a.astype(jnp.dtype(dtype)) for key, a in tensors.items()}
    source = copy(FIXTURES / name, tmp_path / "source", tensors=cast)
    import_model(source, tmp_path / "run")
    export_model(tmp_path / "run", tmp_path / "back")
    assert header(tmp_path / "back" / FILE) == header(source / FILE)
    assert bytes_of(tmp_path / "back" / FILE) == bytes_of(source / FILE)
    assert json.loads((tmp_path / "back" / "config.json").read_text()) == json.loads(
        (source / "config.json").read_text()
    )
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(load(tmp_path / "run").params))
    with safe_open(tmp_path / "back" / FILE, "numpy") as file:
        assert file.metadata() == {"format": "pt"}
    assert os.stat(tmp_path / "back" / FILE).st_mode == os.stat(tmp_path / "back" / "config.json").st_mode


@pytest.mark.parametrize("name", ["kl_former_attention_names", "kl_original_names"])
def test_former_names_come_back_as_present_ones_with_the_same_bytes(name, tmp_path):
    source = source_of(FIXTURES / name)
    import_model(source, tmp_path / "run", groups=2 if source.is_file() else None)
    export_model(tmp_path / "run", tmp_path / "back")
    inside = load_file(source if source.is_file() else source / FILE)
    inside = {key: array for key, array in inside.items() if not key.startswith(("model.", "cond_stage_model."))}

    def renamed(key):
        return from_original(key.removeprefix("first_stage_model."), 3) if source.is_file() else present_name(key)

    assert bytes_of(tmp_path / "back" / FILE) == {renamed(key): array.tobytes() for key, array in inside.items()}


def test_what_a_diffusion_model_needs_to_know_of_the_codes_is_kept(tmp_path):
    model = load(import_model(FIXTURES / "kl_no_attention", tmp_path / "a")).info.config.model
    assert (model.latents_mean, model.latents_std) == ((0.5, 0.0, 0.0, 1.0), (1.0, 2.0, 1.0, 3.0))
    model = load(import_model(FIXTURES / "kl_16_channels", tmp_path / "b")).info.config.model
    assert (model.scaling_factor, model.shift_factor) == (0.3611, 0.1159)
    assert (model.quant_conv, model.post_quant_conv, model.latent) == (False, False, 16)


def test_shards_and_pipelines_are_read_like_a_single_file(tmp_path):
    source = copy(KL_4, tmp_path / "pipeline" / "vae")
    tensors = load_file(source / FILE)
    names = sorted(tensors)
    parts = {"part-1.safetensors": names[::2], "part-2.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, source / file)
    weight_map = {name: file for file, part in parts.items() for name in part}
    (source / f"{FILE}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    (source / FILE).unlink()
    import_model(tmp_path / "pipeline", tmp_path / "run")
    export_model(tmp_path / "run", tmp_path / "back")
    assert bytes_of(tmp_path / "back" / FILE) == bytes_of(KL_4 / FILE)


@pytest.mark.parametrize("prefix", ["vae.", ""])
def test_original_files_have_several_prefixes(prefix, tmp_path):
    tensors = load_file(FIXTURES / "kl_original_names" / "original.safetensors")
    inside = {name.removeprefix("first_stage_model."): array for name, array in tensors.items() if "first_" in name}
    inside |= {} if prefix else {"loss.logvar": np.zeros((), np.float32)}
    save_file({f"{prefix}{name}": array for name, array in inside.items()}, tmp_path / "one.safetensors")
    run = load(import_model(tmp_path / "one.safetensors", tmp_path / "run", groups=2, scaling_factor=0.13025))
    assert run.info.config.model == KLAutoencoder(
        channels=(2, 4, 6), layers_per_block=1, latent=4, groups=2, scaling_factor=0.13025
    )
    assert run.info.shape == (256, 256, 3)


def test_original_names_count_the_decoders_levels_from_the_finest():
    assert from_original("decoder.up.3.block.2.nin_shortcut.weight", 4) == (
        "decoder.up_blocks.0.resnets.2.conv_shortcut.weight"
    )
    assert from_original("decoder.up.1.upsample.conv.bias", 4) == "decoder.up_blocks.2.upsamplers.0.conv.bias"
    assert from_original("encoder.mid.attn_1.proj_out.bias", 4) == "encoder.mid_block.attentions.0.to_out.0.bias"


@pytest.mark.slow
def test_a_converted_run_is_opened_by_the_commands(call, tmp_path):
    code, out, err = call(convert, KL_4, "run", "--json")
    assert code == 0, err
    assert json.loads(out) == {"run": "run", "model": "kl_autoencoder", "shape": [8, 8, 3], "from": str(KL_4)}
    assert call(sample, "run", "--n", 2, "--out", "new.png")[0] == 0
    code, _, err = call(reconstruct, "run")
    assert code == 2
    assert "came without images; name image files" in err
    assert call(reconstruct, "run", "new.png", "--out", "again.png")[0] == 0
    assert call(convert, "run", "back")[1].splitlines() == ["folder: back", "run: run"]


def test_tiles_are_the_runs_and_not_the_folders(call, tmp_path):
    assert call(convert, KL_4, "run", "--size", 24, 40, "--tile", 16)[0] == 0
    run = load("run")
    assert (run.info.config.model.tile, run.info.shape) == (16, (24, 40, 3))
    assert run.reconstruct(np.zeros((1, 24, 40, 3), np.uint8)).shape == (1, 24, 40, 3)
    assert call(convert, "run", "back")[0] == 0
    before, back = (json.loads((folder / "config.json").read_text()) for folder in (KL_4, Path("back")))
    assert before == back


def test_a_converted_run_takes_any_data_set_of_its_shape(call, tmp_path, disc_set):
    run = import_model(KL_4, tmp_path / "run", size=(16,))
    code, _, err = call(encode, run, "--data", disc_set.path, "--out", "codes.npz")
    assert code == 0, err
    assert np.load("codes.npz")["mean"].shape == (21, 8, 8, 4)
    other = import_model(KL_4, tmp_path / "other", size=(8,))
    code, _, err = call(encode, other, "--data", disc_set.path)
    assert code == 2
    assert "has images of shape [16, 16, 3], but the model needs [8, 8, 3]" in err


def test_a_converted_run_can_have_a_data_set(tmp_path, disc_set):
    np.savez(tmp_path / "mine.npz", images=disc_set.split("train").images[:40])
    run = import_model(
        FIXTURES / "kl_no_attention", tmp_path / "run", data=str(tmp_path / "mine.npz"), size=(8,),
    )  # fmt: skip
    assert load(run).info.data["splits"]["test"]["n"] > 0
    assert load(run).info.shape == (8, 8, 1)


@pytest.mark.slow
def test_training_starts_from_a_converted_run_and_goes_back(tmp_path, disc_set):
    model = load(import_model(KL_4, tmp_path / "run", size=(16,))).info.config.model
    assert model.scaling_factor == 0.18215
    settings = TrainConfig(steps=2, batch_size=8, mixture_components=0, fitted_flow_steps=0)
    started = KLAutoencoder(**{**vars(model), "start_from": str(tmp_path / "run")})
    tuned = fit(tiny_config(model=started, train=settings), disc_set, run=tmp_path / "tuned")
    back = export_model(tuned.info.run, tmp_path / "back")
    config, before = (json.loads((folder / "config.json").read_text()) for folder in (back, KL_4))
    assert {key: config[key] for key in before if key not in ("_diffusers_version", "sample_size")} == {
        key: value for key, value in before.items() if key not in ("_diffusers_version", "sample_size")
    }
    assert header(back / FILE) == header(KL_4 / FILE)
    assert bytes_of(back / FILE) != bytes_of(KL_4 / FILE)


@pytest.mark.slow
def test_tuning_only_the_decoder_hands_back_the_encoder_byte_for_byte(tmp_path, disc_set):
    model = load(import_model(KL_4, tmp_path / "run", size=(16,))).info.config.model
    settings = TrainConfig(
        steps=3, batch_size=8, mixture_components=0, fitted_flow_steps=0, freeze=("encoder",), weight_decay=0.1,
        ema_decay=0.9, warmup_steps=0,
    )  # fmt: skip
    started = replace(model, start_from=str(tmp_path / "run"))
    objective = Adversarial(reconstruction="l1", start=1, discriminator_width=8, equivariance=0.1)
    config = tiny_config(model=started, train=settings, objective=objective)
    tuned = fit(config, disc_set, run=tmp_path / "tuned")
    back = bytes_of(export_model(tuned.info.run, tmp_path / "back") / FILE)
    before = bytes_of(KL_4 / FILE)
    kept = {name for name in before if back[name] == before[name]}
    assert kept == {name for name in before if name.startswith(("encoder.", "quant_conv."))}
    assert any(name.startswith("post_quant_conv.") for name in before)


def test_a_converted_run_has_no_optimizer_to_continue_with(tmp_path, disc_set):
    run = import_model(KL_4, tmp_path / "run", size=(16,))
    with pytest.raises(UserError, match=r"was converted, so it has no state of an optimizer .* --model\.from"):
        fit(replace(load_run(run).info.config, train=TrainConfig(steps=2)), disc_set, run=run, change=True)


@pytest.mark.parametrize(("quant_convs", "count"), [(True, 248), (False, 244)])
def test_the_autoencoder_of_stable_diffusion_has_as_many_tensors_as_published(quant_convs, count):
    model = KLAutoencoder(
        channels=(128, 256, 512, 512), layers_per_block=2, groups=32, quant_conv=quant_convs,
        post_quant_conv=quant_convs,
    )  # fmt: skip
    named = places(jax.eval_shape(build(model, (256, 256, 3)).init, jax.random.key(0)))
    assert len(named) == count
    # The levels at which the number of channels changes.
    assert {name for name in named if name.endswith("conv_shortcut.weight")} == {
        f"{level}.resnets.0.conv_shortcut.weight"
        for level in ("encoder.down_blocks.1", "encoder.down_blocks.2", "decoder.up_blocks.2", "decoder.up_blocks.3")
    }
    assert named["encoder.mid_block.attentions.0.to_out.0.weight"].shape == (512, 512)
    assert named["decoder.up_blocks.0.upsamplers.0.conv.weight"].shape == (512, 512, 3, 3)


def test_a_pair_of_files_is_the_model_of_the_folder(tmp_path):
    """The two archives of torch.save hold what the folder's safetensors holds."""
    runs = [import_model(FIXTURES / name, tmp_path / name, size=(8,)) for name in ("tiny", "tiny_pair")]
    folder, pair = (load(run) for run in runs)
    jax.tree.map(np.testing.assert_array_equal, folder.params, pair.params)
    fields = ("encoder_channels", "decoder_channels", "encoder_blocks", "decoder_blocks", "latent", "middle_pool")
    assert {name: getattr(folder.info.config.model, name) for name in fields} == {
        name: getattr(pair.info.config.model, name) for name in fields
    }


def test_a_pair_with_the_branch_that_sees_the_whole_image_is_read(tmp_path, disc_set):
    model = TinyAutoencoder(
        encoder_channels=4, decoder_channels=4, encoder_blocks=(1, 2), decoder_blocks=(1, 0), middle_pool=True
    )
    params = untrained(tiny_config(model=model), disc_set).params
    tensors = torch_tensors(params, {})
    encoder = {name.removeprefix("encoder.layers."): each for name, each in tensors.items() if "encoder." in name}
    rest = {name.removeprefix("decoder.layers."): each for name, each in tensors.items() if "decoder." in name}
    decoder = {f"{int(name.partition('.')[0]) + 1}.{name.partition('.')[2]}": each for name, each in rest.items()}
    assert "3.pool.1.weight" in decoder
    write_tensors(tmp_path / "x_encoder.safetensors", encoder)
    write_tensors(tmp_path / "x_decoder.safetensors", decoder)
    read = load(import_model(tmp_path, tmp_path / "run", size=(16,)))
    assert read.info.config.model == model
    jax.tree.map(np.testing.assert_array_equal, read.params, params)
