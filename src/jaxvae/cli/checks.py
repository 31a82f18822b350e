"""Checks of numbers that several commands take."""

from jaxvae.errors import UserError


def check_count(flag: str, value: int | None, most: int, why: str, least: int = 1) -> None:
    """Raises UserError unless the count that a flag gives, if any, is between `least` and `most`."""
    if value is not None and value < least:
        raise UserError(f"{flag} is {value}, but must be at least {least}.")
    if value is not None and value > most:
        raise UserError(f"{flag} is {value}, but must be at most {most}: {why}.")


def check_seed(seed: int | None) -> None:
    """Raises UserError unless the seed, if any, is one that JAX and NumPy take."""
    if seed is not None and not 0 <= seed < 2**32:
        raise UserError(f"--seed is {seed}, but must be between 0 and 2**32 - 1.")
