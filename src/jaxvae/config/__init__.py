"""Configs: frozen dataclasses that are checked when they are constructed, and the kinds they are composed of."""

from jaxvae.config.checks import Checked
from jaxvae.config.devices import DevicesConfig
from jaxvae.config.kinds import Kind
from jaxvae.config.train import TrainConfig

__all__ = ["Checked", "DevicesConfig", "Kind", "TrainConfig"]
