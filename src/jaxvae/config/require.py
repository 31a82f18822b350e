"""A field's value is checked where it is set, and the message names the field."""

from jaxvae.errors import UserError


def require(condition: bool, name: str, value: object, wanted: str) -> None:
    """Raises `UserError` unless the condition holds."""
    if not condition:
        raise UserError(f"{name} is {value!r}, but must be {wanted}.")
