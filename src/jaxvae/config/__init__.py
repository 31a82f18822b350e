"""What a run is: frozen dataclasses that the command line fills in and the checkpoint carries as JSON."""

from jaxvae.config.data import DataConfig
from jaxvae.config.devices import DevicesConfig
from jaxvae.config.experiment import Config
from jaxvae.config.model import ModelConfig
from jaxvae.config.objective import ObjectiveConfig
from jaxvae.config.serialization import differences, from_json, to_json
from jaxvae.config.train import TrainConfig

__all__ = [
    "Config",
    "DataConfig",
    "DevicesConfig",
    "ModelConfig",
    "ObjectiveConfig",
    "TrainConfig",
    "differences",
    "from_json",
    "to_json",
]
