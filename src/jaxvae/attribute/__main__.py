"""Runs `python -m jaxvae.attribute`."""

from jaxvae.attribute import attribute
from jaxvae.cli import run_command

if __name__ == "__main__":
    run_command(attribute, "attribute")
