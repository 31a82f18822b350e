"""Kinds: the parts of a config that come in several forms, a user's own among them.

A family (model, likelihood, prior, objective, data source) is a subclass of `Kind` that names where it stands in a
config; a kind is a frozen dataclass below it, with fields of its own and a `build` method. Defining the class is
enough: the command line, JSON and checkpoints find it by name.
"""

import re
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from jaxvae.config.checks import Checked, require
from jaxvae.errors import UserError, suggest

Own = TypeVar("Own", bound="Kind")  # Not `Self`, which beartype knows only in classes that it decorates whole.


@dataclass(frozen=True, kw_only=True)
class Kind(Checked):
    """Base of the families.

    Attributes:
        family: the field of the config where kinds of this family stand, such as `objective` or `model.prior`.
        kind: the name of the kind, in snake case; by default the name of the class.
        kinds: of a family, its kinds by name.
    """

    family: ClassVar[str]
    kind: ClassVar[str]
    kinds: ClassVar[dict[str, type[Any]]]

    def __init_subclass__(cls, *, family: str | None = None, abstract: bool = False, **options: Any) -> None:
        """Registers the kind under its name, or begins a family."""
        super().__init_subclass__(**options)
        if family is not None:
            cls.family, cls.prefix, cls.kinds = family, f"{family}.", {}
            return
        if abstract:
            return
        if "kind" not in cls.__dict__:
            cls.kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()
        known = cls.kinds.get(cls.kind)
        # The same class defined again, as in a notebook cell that is run twice, replaces the former one.
        if known is not None and known.__module__.startswith("jaxvae.") and not cls.__module__.startswith("jaxvae."):
            raise UserError(
                f"the {cls.family} {cls.__name__} is named {cls.kind!r}, which is a kind of jaxvae's own; "
                'give it another name: kind = "...".'
            )
        cls.kinds[cls.kind] = cls

    @classmethod
    def named(cls: type[Own], name: object, where: str | None = None) -> type[Own]:
        """Returns the kind of this family with this name.

        Raises:
            UserError: there is none, with the nearest name.
        """
        kinds = {known: kind for known, kind in cls.kinds.items() if issubclass(kind, cls)}
        key = name.replace("-", "_") if isinstance(name, str) else name
        if not isinstance(key, str) or key not in kinds:
            hint = suggest(key, kinds) if isinstance(key, str) else f"one of {', '.join(kinds)}."
            raise UserError(
                f"{where or cls.family} is {name!r}, which is not a kind of {cls.family}: {hint} "
                "A kind of your own needs the file that defines it: --code FILE.py."
            )
        return kinds[key]

    @classmethod
    def coerce(cls, value: Any, where: str) -> Any:
        """Returns the kind itself, or the kind of this name with its defaults."""
        return cls.named(value, where)() if isinstance(value, str) else value

    def to_json(self) -> dict[str, Any]:
        """Returns the name of the kind and its fields as JSON values."""
        return {"kind": self.kind} | fields_to_json(self)

    @classmethod
    def from_json(cls, values: Any, where: str) -> Any:
        """Returns the kind that `to_json` described.

        Raises:
            UserError: the kind or a field is unknown, or a value is wrong.
        """
        require(isinstance(values, dict) and "kind" in values, where, values, "a JSON object with a `kind`")
        kind = cls.named(values["kind"], where)
        return fields_from_json(kind, {name: value for name, value in values.items() if name != "kind"}, where)

    def switched(self, kind: type[Any]) -> Any:
        """Returns another kind of the family with its defaults, keeping the fields that both inherit."""
        shared = {
            field.name
            for base in type(self).__mro__
            if base in kind.__mro__ and "__dataclass_fields__" in base.__dict__
            for field in fields(base)
        }
        return kind(**{name: getattr(self, name) for name in shared})


def fields_to_json(part: Any) -> dict[str, Any]:
    """Returns the fields of a config as JSON values."""
    return {field.name: _to_json(getattr(part, field.name)) for field in fields(part)}


def _to_json(value: Any) -> Any:
    if isinstance(value, Kind):
        return value.to_json()
    if isinstance(value, Checked):
        return fields_to_json(value)
    return list(value) if isinstance(value, tuple) else value


def fields_from_json(part: type[Any], values: dict[str, Any], where: str = "") -> Any:
    """Returns the config of this class with these fields; one that is missing has its default.

    Raises:
        UserError: a field is unknown, or its value is wrong.
    """
    from typing import get_type_hints

    prefix = f"{where}." if where else ""
    types, made = get_type_hints(part), {}
    names = {field.name for field in fields(part)}
    for name, value in values.items():
        if name not in names:
            raise UserError(f"the configuration has no field {f'{prefix}{name}'!r}: {suggest(str(name), names)}")
        kind = types[name]
        if isinstance(kind, type) and issubclass(kind, Kind):
            made[name] = kind.from_json(value, f"{prefix}{name}")
        elif isinstance(kind, type) and issubclass(kind, Checked):
            require(isinstance(value, dict), f"{prefix}{name}", value, "a JSON object")
            made[name] = fields_from_json(kind, value, f"{prefix}{name}")
        else:
            made[name] = value
    return part(**made)
