"""What `convert` refuses, each in one sentence."""

import json
import shutil

import numpy as np
import pytest
from conftest import mistake, saved_run, tiny_config
from copies import FILE, KL_4, copy
from parity.comparison import FIXTURES
from safetensors.numpy import save_file

from jaxvae import KLAutoencoder, NormalLikelihood, TinyAutoencoder, UserError, VQAutoencoder
from jaxvae.convert import convert
from jaxvae.interchange import import_model
from jaxvae.interchange.diffusers_folder import read_folder
from jaxvae.interchange.vq_config import vq_config
from jaxvae.runs.checkpoint import read_about


@pytest.mark.parametrize("name", ["kl_4_channels", "tiny", "vq"])
def test_a_config_with_any_nonsense_is_refused_in_a_sentence_or_read(name, tmp_path):
    source = copy(FIXTURES / name, tmp_path / "source")
    values, sentences = json.loads((source / "config.json").read_text()), []
    for key in values:
        for nonsense in (None, "x", -1, 1.5, [], {}, 10**30, [10**9], [[1]], float("nan")):
            (source / "config.json").write_text(json.dumps(values | {key: nonsense}))
            try:
                read_folder(source)
            except UserError as error:
                sentences.append(str(error))
    assert len(sentences) > 50
    wrong = [each for each in sentences if "config.json cannot be used: " not in each]
    assert all("holds a model of the class" in each for each in wrong), wrong


def without(*names):
    return lambda tensors: {name: array for name, array in tensors.items() if name not in names}


def plus(**more):
    return lambda tensors: tensors | {name.replace("__", "."): array for name, array in more.items()}


WRONG_TINY = [
    ({"act_fn": "gelu"}, "act_fn is 'gelu', but only 'relu' can be converted"),
    ({"upsampling_scaling_factor": 4}, "upsampling_scaling_factor is 4, but only 2 can be converted"),
    ({"encoder_block_out_channels": [4, 8, 4]}, "encoder_block_out_channels is [4, 8, 4], but must be one or more of"),
    ({"encoder_block_out_channels": [4]}, "encoder_block_out_channels is [4], but must be a list with a number for"),
    ({"num_decoder_blocks": [1, 1, 10**9]}, "num_decoder_blocks is [1, 1, 1000000000], but there are only"),
    ({"num_decoder_blocks": [1, 1, 1]}, "has no tensor decoder.layers."),
    ({"decoder_block_out_channels": [6, 6], "num_decoder_blocks": [2, 1]}, "one number for each of the 3 resolutions"),
]


@pytest.mark.parametrize(("config", "told"), WRONG_TINY)
def test_a_wrong_folder_of_a_tiny_autoencoder_is_refused_in_a_sentence(config, told, call, tmp_path_factory):
    source = copy(FIXTURES / "tiny", tmp_path_factory.mktemp("wrong") / "source", config)
    mistake(call(convert, source, "run"), told)


WRONG_VQ = [
    ({"norm_type": "spatial"}, None, "norm_type is 'spatial', but only 'group' can be converted"),
    ({"num_vq_embeddings": 17}, None, "quantize.embedding.weight of"),
    ({"vq_embed_dim": None}, None, "expected [3, 3, 1, 1]"),
    ({"latent_channels": None}, None, "latent_channels is null, but must have a value, such as 3"),
    ({}, without("quantize.embedding.weight"), "no tensor quantize.embedding.weight, expected of shape [16, 4]"),
    ({"_class_name": "AutoencoderKL"}, None, "has a tensor quantize.embedding.weight, which its architecture"),
]


@pytest.mark.parametrize(("config", "tensors", "told"), WRONG_VQ)
def test_a_wrong_folder_of_a_model_with_a_codebook_is_refused_in_a_sentence(
    config, tensors, told, call, tmp_path_factory
):
    source = copy(FIXTURES / "vq", tmp_path_factory.mktemp("wrong") / "source", config, tensors)
    mistake(call(convert, source, "run"), told)


WRONG_FOLDERS = [
    ({"_class_name": "AutoencoderKLWan"}, None, "class 'AutoencoderKLWan', which cannot be converted: did you mean"),
    ({"_class_name": None}, None, "class None, which cannot be converted"),
    ({"block_out_channels": [4, 2]}, None, "has shape [4]; expected [2]"),
    ({"block_out_channels": "many"}, None, "config.json cannot be used: model.channels is 'many'"),
    ({"layers_per_block": 10**6}, None, "layers_per_block is 1000000, but there are only"),
    ({"norm_num_groups": 3}, None, "model.groups is 3, but must be a divisor"),
    ({"act_fn": "gelu"}, None, "act_fn is 'gelu', but only silu"),
    ({"down_block_types": ["DownEncoderBlock2D", "AttnDownEncoderBlock2D"]}, None, "only DownEncoderBlock2D can be"),
    ({"out_channels": 4}, None, "in_channels is 3 and out_channels is 4"),
    ({"latent_channels": None}, None, "latent_channels is null, but must have a value, such as 4"),
    (
        {
            "block_out_channels": [2] * 17,
            "down_block_types": ["DownEncoderBlock2D"] * 17,
            "up_block_types": ["UpDecoderBlock2D"] * 17,
        },
        None,
        "one number for each of 1 to 16 resolutions",
    ),
    ({"sample_size": 10**9}, None, "images would have 1000000000 x 1000000000 pixels; give a --size from 1 to 65536"),
    ({"sample_size": "large"}, None, "sample_size is 'large', but must be a number of pixels"),
    ({"latents_mean": [0.0]}, None, "model.latents_mean is (0.0,), but must be one number for each of the 4"),
    ({}, without("quant_conv.bias"), "has no tensor quant_conv.bias, expected of shape [8]"),
    ({}, without("quant_conv.bias", "post_quant_conv.bias"), "(and 1 more)"),
    ({}, plus(encoder__extra__weight=np.zeros(2, np.float32)), "has a tensor encoder.extra.weight, which"),
    ({}, plus(quant_conv__bias=np.zeros(7, np.float32)), "has shape [7]; expected [8]"),
    ({}, plus(quant_conv__bias=np.zeros(8, np.float64)), "has type F64; expected one of F32, F16, BF16"),
]


@pytest.mark.parametrize(("config", "tensors", "told"), WRONG_FOLDERS)
def test_a_wrong_folder_is_refused_in_a_sentence(config, tensors, told, call, tmp_path_factory):
    source = copy(KL_4, tmp_path_factory.mktemp("wrong") / "source", config, tensors)
    mistake(call(convert, source, "run"), told)


def damaged(target):
    copy(KL_4, target)
    (target / FILE).write_bytes(b"\x10" * 40)


def only_a_pickle(target):
    copy(KL_4, target)
    (target / FILE).rename(target / "diffusion_pytorch_model.bin")


def no_weights(target):
    copy(KL_4, target)
    (target / FILE).unlink()


def several_variants(target):
    copy(KL_4, target)
    (target / FILE).rename(target / "diffusion_pytorch_model.fp16.safetensors")
    shutil.copy(target / "diffusion_pytorch_model.fp16.safetensors", target / "diffusion_pytorch_model.ema.safetensors")


def index_that_leaves_its_folder(target):
    no_weights(target)
    (target / f"{FILE}.index.json").write_text(json.dumps({"weight_map": {"a": "../../b.safetensors"}}))


def empty(target):
    target.mkdir()


def no_json(target):
    copy(KL_4, target)
    (target / "config.json").write_text("{")


def a_pickle(target):
    target.write_bytes(b"\x80\x02.")


def diffusers_names(target):
    shutil.copy(KL_4 / FILE, target)


def no_autoencoder(target):
    save_file({"weight": np.zeros(3, np.float32)}, target)


def a_codebook(target):
    save_file({"first_stage_model.quantize.embedding.weight": np.zeros((2, 3), np.float32)}, target)


@pytest.mark.parametrize(
    ("made", "name", "told"),
    [
        (damaged, "a", "is not a safetensors file, or is damaged"),
        (
            only_a_pickle,
            "a",
            "model.bin is a pickle, which can run code when it is opened; where you trust it, convert",
        ),
        (no_weights, "a", "has no weights; expected diffusion_pytorch_model.safetensors or"),
        (several_variants, "a", "has several variants (diffusion_pytorch_model.ema.safetensors, "),
        (index_that_leaves_its_folder, "a", "'../../b.safetensors', but its files must lie next to it"),
        (empty, "a", "has neither config.json nor vae/config.json"),
        (no_json, "a", "config.json cannot be read"),
        (a_pickle, "a.ckpt", "is a pickle"),
        (diffusers_names, "a.safetensors", "has the names of diffusers; give its folder"),
        (a_codebook, "a.safetensors", "holds a model with a codebook, which is read from a diffusers folder only"),
        (no_autoencoder, "a.safetensors", "holds no autoencoder of the original layout"),
    ],
)
def test_what_holds_no_model_is_refused_in_a_sentence(made, name, told, call, tmp_path_factory):
    source = tmp_path_factory.mktemp("wrong") / name
    made(source)
    mistake(call(convert, source, "run"), told)


def test_flags_that_would_have_no_effect_are_refused(call, tmp_path_factory):
    mistake(call(convert, KL_4, "run", "--groups", 8), "--groups is for a single file and has no effect on")
    mistake(call(convert, KL_4, "run", "--size", 1, 2, 3), "--size is 1 2 3, but must be one number, or height and")
    mistake(call(convert, KL_4, "run", "--size", 0), "give a --size from 1 to")
    mistake(call(convert, KL_4, "run", "--size", 8, 12, "--data", "avatars"), "a prepared data set is square")
    run = import_model(KL_4, tmp_path_factory.mktemp("runs") / "run")
    mistake(call(convert, KL_4, "run", "--tile", 3), "model.tile is 3, but must be a multiple of 2")
    mistake(call(convert, run, "back", "--tile", 8), "is a run, which is converted as it is; remove --size")
    mistake(call(convert, run, "back", "--size", 8), "is a run, which is converted as it is; remove --size")


def test_a_target_that_exists_and_a_source_that_does_not_are_refused(call, tmp_path_factory):
    taken = tmp_path_factory.mktemp("taken")
    mistake(call(convert, KL_4, taken), f"{taken} exists; give another folder")
    mistake(call(convert, taken / "none", "run"), "none does not exist; expected a diffusers folder")
    assert list(taken.iterdir()) == []


@pytest.mark.slow
def test_a_model_that_diffusers_does_not_have_stays(call, disc_set, dense_run, tmp_path_factory):
    mistake(
        call(convert, dense_run, "back"),
        "of kind 'mlp', which diffusers does not have; kl_autoencoder, tiny_autoencoder and vq_autoencoder can",
    )
    tiny = saved_run(
        tmp_path_factory.mktemp("runs") / "tiny", tiny_config(model=TinyAutoencoder(middle_pool=True)), disc_set
    )
    mistake(call(convert, tiny, "back"), "model.middle_pool is True, a branch that diffusers' AutoencoderTiny does not")
    model = KLAutoencoder(channels=(2,), groups=1, likelihood=NormalLikelihood(scale="per_pixel"))
    run = saved_run(tmp_path_factory.mktemp("runs") / "run", tiny_config(model=model), disc_set)
    mistake(call(convert, run, "back"), "the likelihood is 'normal' with a scale per pixel, whose decoder yields other")


def test_a_number_that_diffusers_does_not_record_is_refused():
    with pytest.raises(UserError, match=r"model.shift_factor is set, which diffusers' VQModel does not record"):
        vq_config(VQAutoencoder(shift_factor=0.1), (8, 8, 3))


@pytest.mark.parametrize(
    "origin",
    [
        "x",
        {"config": 1, "dtypes": {}},
        {"config": None, "dtypes": 3},
        {"config": None, "dtypes": {"a": "F8"}},
        {"config": None, "dtypes": {"a": []}},
    ],
)
def test_a_run_whose_origin_is_damaged_is_refused(origin, call, disc_set, tmp_path_factory, monkeypatch):
    import_model(KL_4, run := tmp_path_factory.mktemp("runs") / "run")
    about = read_about(run / "checkpoints", 0)
    monkeypatch.setattr("jaxvae.runs.checkpoint.read_about", lambda *_: about | {"interchange": origin})
    mistake(call(convert, run, "back"), "is damaged: its interchange is ")


def test_without_safetensors_the_extra_is_named(call, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    mistake(call(convert, KL_4, "run"), "install it with pip install 'jaxvae[convert]'")
