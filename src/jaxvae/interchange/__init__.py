"""Models in the files that other libraries read and write: safetensors with the names and layouts of PyTorch."""

from jaxvae.interchange.conversion import export_model, import_model

__all__ = ["export_model", "import_model"]
