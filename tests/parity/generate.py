"""Makes the fixtures that jaxvae's conversion is compared with: small models of diffusers with random weights.

    python tests/parity/generate.py tests/parity/fixtures

Each folder has a model as its users have it, and `expected.safetensors`: images `x` [b, h, w, c] in [0, 1], `mean` and
`log_variance` of their codes [b, h, w, c], and `image`, the mean decoded to [0, 1] without clipping. Needs the extra
`parity`; the suite reads what it wrote without.
"""

import json
import re
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, VQModel
from safetensors.torch import load_file, save_file

FILE = "diffusion_pytorch_model.safetensors"
SMALL = {"block_out_channels": (2, 4), "norm_num_groups": 2, "layers_per_block": 1, "sample_size": 8}
WITHOUT_QUANT = {"use_quant_conv": False, "use_post_quant_conv": False}

KL = {
    "kl_4_channels": {**SMALL, "layers_per_block": 2, "latent_channels": 4},
    "kl_16_channels": {
        **SMALL, **WITHOUT_QUANT, "latent_channels": 16, "scaling_factor": 0.3611, "shift_factor": 0.1159,
    },
    "kl_no_attention": {
        **SMALL, "mid_block_add_attention": False, "in_channels": 1, "out_channels": 1, "latents_mean": [0.5, 0, 0, 1],
        "latents_std": [1.0, 2, 1, 3],
    },
    "kl_former_attention_names": {**SMALL, "block_out_channels": (2, 2, 4)},
    "kl_original_names": {**SMALL, "block_out_channels": (2, 4, 6)},
}  # fmt: skip
TINY = {
    "encoder_block_out_channels": (4, 4, 4), "num_encoder_blocks": (1, 0, 2), "decoder_block_out_channels": (6, 6, 6),
    "num_decoder_blocks": (2, 1, 1), "latent_channels": 3,
}  # fmt: skip
VQ = {**SMALL, "latent_channels": 3, "vq_embed_dim": 4, "num_vq_embeddings": 16, "scaling_factor": 0.5}
# Activations of about a thousandth, where the 1e-6 of the normalisations shows.
FAINT = ("kl_16_channels",)
FORMER = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
ORIGINAL = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def randomize(model: torch.nn.Module, seed: int) -> None:
    """Draws all weights, so that no scale is 1 and no bias 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        draws = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim > 1:
            draws = draws * parameter[0].numel() ** -0.5
        elif "norm" in name and name.endswith("weight"):
            draws = 1 + 0.3 * draws
        else:
            draws = 0.3 * draws
        parameter.data = draws


def to_last(images: torch.Tensor) -> torch.Tensor:
    return images.permute(0, 2, 3, 1).contiguous()


def make_kl(folder: Path, seed: int, options: dict) -> None:
    levels = len(options["block_out_channels"])
    model = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels, **options
    ).eval()
    randomize(model, seed)
    if folder.name in FAINT:
        for part in (model.encoder, model.decoder):
            part.conv_in.weight.data *= 1e-3
            part.conv_in.bias.data *= 1e-3
    x = torch.rand((2, options.get("in_channels", 3), 8, 12), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        code = model.encode(2 * x - 1).latent_dist
        image = model.decode(code.mean).sample
    model.save_pretrained(folder)
    expected = {"x": x, "mean": code.mean, "log_variance": code.logvar, "image": (image + 1) / 2}
    save_file({name: to_last(each) for name, each in expected.items()}, folder / "expected.safetensors")


def make_vq(folder: Path, seed: int) -> None:
    """Writes a model whose decoder rounds codes to a codebook, and codes that are clearly nearest to one vector."""
    model = VQModel(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, **VQ
    ).eval()  # fmt: skip
    randomize(model, seed)
    x = torch.rand((2, 3, 8, 12), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        code = model.encode(2 * x - 1).latents
        image = model.decode(code).sample
    distances = torch.cdist(to_last(code).reshape(-1, VQ["vq_embed_dim"]), model.quantize.embedding.weight)
    first, second = distances.sort(dim=1).values[:, :2].T
    assert (second - first).min() > 1e-3
    assert len(set(distances.argmin(dim=1).tolist())) >= 4
    model.save_pretrained(folder)
    expected = {name: to_last(each) for name, each in {"x": x, "mean": code, "image": (image + 1) / 2}.items()}
    save_file(expected, folder / "expected.safetensors")


def make_tiny(folder: Path, seed: int) -> None:
    """Writes a tiny autoencoder, next to it the same one as a pair of torch.save's archives."""
    model = AutoencoderTiny(**TINY).eval()
    randomize(model, seed)
    x = torch.rand((2, 3, 8, 12), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        code = model.encode(2 * x - 1).latents
        image = model.decode(code).sample
    model.save_pretrained(folder)
    expected = {name: to_last(each) for name, each in {"x": x, "mean": code, "image": (image + 1) / 2}.items()}
    save_file(expected, folder / "expected.safetensors")
    pair = folder.with_name(f"{folder.name}_pair")
    pair.mkdir()
    save_file(expected, pair / "expected.safetensors")
    torch.save(model.encoder.layers.state_dict(), pair / "small_encoder.pth")
    # Layer 0 of such files is the squashing of codes, which diffusers does not count.
    squashed = torch.nn.Sequential(torch.nn.Identity(), *model.decoder.layers)
    torch.save(squashed.state_dict(), pair / "small_decoder.pth")


def with_former_names(folder: Path) -> None:
    """Calls the attention's layers as files of 2022 do."""
    names = "|".join(FORMER)
    tensors = load_file(folder / FILE)
    pattern = re.compile(rf"(attentions\.0)\.({names})\.")
    renamed = {
        pattern.sub(lambda found: f"{found[1]}.{FORMER[found[2]]}.", name): each for name, each in tensors.items()
    }
    save_file(renamed, folder / FILE, metadata={"format": "pt"})


def with_original_names(folder: Path) -> None:
    """Turns the folder's model into a single file with the names of the first latent diffusion models.

    diffusers' own reader of such files, which it has for whole checkpoints, must give back the same tensors.
    """
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    tensors, config = load_file(folder / FILE), json.loads((folder / "config.json").read_text())
    levels = len(config["block_out_channels"])
    made = {}
    for name, tensor in tensors.items():
        if ".attentions." in name and name.endswith("weight") and tensor.ndim == 2:
            tensor = tensor[:, :, None, None]
        made[f"first_stage_model.{original_name(name, levels)}"] = tensor.contiguous()
    understood = convert_ldm_vae_checkpoint(dict(made), config)
    assert set(understood) == set(tensors)
    assert all(torch.equal(understood[name].squeeze(), tensors[name].squeeze()) for name in tensors)
    others = {"model.diffusion_model.out.weight": torch.zeros(1), "cond_stage_model.logit_scale": torch.zeros(1)}
    save_file(made | others, folder / "original.safetensors", metadata={"format": "pt"})
    (folder / FILE).unlink()
    (folder / "config.json").unlink()


def original_name(name: str, levels: int) -> str:
    name = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d+)\.resnets", lambda found: f"up.{levels - 1 - int(found[1])}.block", name)
    name = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda found: f"up.{levels - 1 - int(found[1])}.upsample", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    name = re.sub(
        rf"mid_block\.attentions\.0\.({'|'.join(ORIGINAL)})", lambda found: f"mid.attn_1.{ORIGINAL[found[1]]}", name
    )
    return name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")


def generate(target: Path) -> None:
    """Writes every fixture below a folder."""
    torch.set_num_threads(1)
    for seed, (name, options) in enumerate(KL.items()):
        make_kl(target / name, seed, options)
    make_tiny(target / "tiny", seed=10)
    make_vq(target / "vq", seed=20)
    with_former_names(target / "kl_former_attention_names")
    with_original_names(target / "kl_original_names")


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
