"""Copies of the fixtures, with something changed in them."""

import json
import shutil

from parity.comparison import FIXTURES
from safetensors.numpy import load_file, save_file

FILE = "diffusion_pytorch_model.safetensors"
KL_4 = FIXTURES / "kl_4_channels"


def copy(folder, target, config=None, tensors=None):
    """A fixture with other values in config.json, and its tensors changed by a function."""
    shutil.copytree(folder, target)
    values = json.loads((target / "config.json").read_text()) | (config or {})
    (target / "config.json").write_text(json.dumps(values))
    if tensors is not None:
        save_file(tensors(load_file(target / FILE)), target / FILE, metadata={"format": "pt"})
    return target
