"""Names that tensors had in earlier files, as the present ones: those of attentions, and of the original files.

The first files of this kind, those of Rombach et al. 2022, count the decoder's levels from the finest; diffusers counts
them from the coarsest.
"""

import re

ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
ORIGINAL_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}


def present_name(name: str) -> str:
    """Returns the name with the attention's layers called as they are now."""
    former = "|".join(ATTENTION)
    return re.sub(rf"(\.attentions\.\d+\.)({former})\.", lambda match: f"{match[1]}{ATTENTION[match[2]]}.", name)


def from_original(name: str, levels: int) -> str:
    """Returns the present name of a tensor in an original file, without its prefix.

    Args:
        name: such as `decoder.up.3.block.0.nin_shortcut.weight`.
        levels: number of resolutions, which the decoder's levels are counted from.
    """
    name = re.sub(r"^encoder\.down\.(\d+)\.", r"encoder.down_blocks.\1.", name)
    name = re.sub(r"^decoder\.up\.(\d+)\.", lambda match: f"decoder.up_blocks.{levels - 1 - int(match[1])}.", name)
    name = re.sub(r"(blocks\.-?\d+)\.block\.(\d+)\.", r"\1.resnets.\2.", name)
    name = name.replace(".downsample.conv.", ".downsamplers.0.conv.").replace(".upsample.conv.", ".upsamplers.0.conv.")
    name = re.sub(r"\.mid\.block_([12])\.", lambda match: f".mid_block.resnets.{int(match[1]) - 1}.", name)
    name = re.sub(
        rf"\.mid\.attn_1\.({'|'.join(ORIGINAL_ATTENTION)})\.",
        lambda match: f".mid_block.attentions.0.{ORIGINAL_ATTENTION[match[1]]}.",
        name,
    )
    return name.replace(".nin_shortcut.", ".conv_shortcut.").replace(".norm_out.", ".conv_norm_out.")
