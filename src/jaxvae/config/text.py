"""Configs as JSON and back, and what differs between two."""

from dataclasses import asdict
from typing import Any

import cattrs

from jaxvae.config.experiment import Config
from jaxvae.errors import UserError

_converter = cattrs.Converter(forbid_extra_keys=True)


def to_json(config: Config) -> dict[str, Any]:
    """The config as JSON values: nested dicts, lists, strings and numbers."""
    # Tuples become lists, as they will when the file is read again.
    return _converter.unstructure(asdict(config), unstructure_as=dict)


def from_json(values: dict[str, Any]) -> Config:
    """The config written by `to_json`; `UserError` names a field that is unknown or of the wrong type."""
    if not isinstance(values, dict):
        raise UserError(f"the configuration cannot be read: it is no JSON object but {values!r}.")
    try:
        return _converter.structure(values, Config)
    except cattrs.BaseValidationError as error:
        raise UserError(f"the configuration cannot be read: {'; '.join(cattrs.transform_error(error))}.") from error


def differences(old: Config, new: Config) -> list[str]:
    """Each field that differs, as "train.steps is 50 there and 3000 here"."""
    left, right = flatten(to_json(old)), flatten(to_json(new))
    return [f"{name} is {left[name]!r} there and {right[name]!r} here" for name in left if left[name] != right[name]]


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one dict with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
