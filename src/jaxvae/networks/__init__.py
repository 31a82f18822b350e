"""Encoders and decoders as pure functions: the only package that imports flax."""

from jaxvae.networks.base import Networks, flax_networks

__all__ = ["Networks", "flax_networks"]
