"""Writes the reference of the config: every field of every part and kind, from the dataclasses and their docstrings."""

import ast
import inspect
import textwrap
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import pairwise
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from generated import write_page
from sphinx.application import Sphinx

HEAD = """# Config

A config is composed of frozen dataclasses; each field below stands under the name that the command line gives it.
`--train.batch-size 32` and `jv.TrainConfig(batch_size=32)` set the same field. A value of the wrong type, out of range
or of an unknown name is refused in both places, with the nearest right one.

Generated from `jaxvae.Config` and `DevicesConfig` when this site was built.
"""


def field_docs(cls: type) -> dict[str, str]:
    """Returns the docstrings below the fields of a dataclass, those of its bases included."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not is_dataclass(base):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body  # type: ignore[attr-defined]
        for field, below in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(field.target, ast.Name):
                text = getattr(below.value, "value", None)
                if isinstance(text, str):
                    found[field.target.id] = " ".join(text.split())
    return found


def type_text(kind: Any) -> str:
    """Returns a type as one would write it, with the words of a Literal in full."""
    if kind is NoneType:
        return "None"
    if kind is Ellipsis:
        return "..."
    parts = [type_text(part) for part in get_args(kind)]
    if get_origin(kind) is Literal:
        return " | ".join(f'"{word}"' for word in get_args(kind))
    if get_origin(kind) in (UnionType, Union):
        return " | ".join(parts)
    if get_origin(kind) is tuple:
        return f"tuple[{', '.join(parts)}]"
    return getattr(kind, "__name__", str(kind))


def default_text(field: "Field[Any]") -> str:
    """Returns the default of a field as Python writes it; that of a part or kind by its class."""
    if field.default is MISSING and field.default_factory is MISSING:
        return "required"
    value = field.default if field.default is not MISSING else field.default_factory()  # type: ignore[misc]
    shown = f"{type(value).__name__}()" if is_dataclass(value) else repr(value)
    return f"default `{shown}`"


def kinds_of(kind: Any) -> dict[str, type]:
    """Returns the kinds of a family by name; none for what is not a family."""
    kinds = getattr(kind, "kinds", None) if isinstance(kind, type) else None
    return dict(kinds) if kinds else {}


def part(cls: type, prefix: str, title: str, depth: int) -> tuple[list[str], list[str]]:
    """Returns the section of one dataclass, and those of the parts in its fields."""
    types, docs = get_type_hints(cls), field_docs(cls)
    summary = (inspect.getdoc(cls) or "").split("\n\n")[0]
    lines, inner = [f"{'#' * depth} {title}", "", f"`{cls.__name__}`. {summary}", ""], []
    for field in fields(cls):  # type: ignore[arg-type]
        kind, name = types[field.name], f"{prefix}{field.name}"
        if (family := kinds_of(kind)) and f"{name}." != f"{prefix}.":
            text = f"A kind: {', '.join(f'`{known}`' for known in family)}. {docs.get(field.name, '')}"
            inner += kinds(family, name, depth)
        elif is_dataclass(kind):
            text = f"See below. {docs.get(field.name, '')}"
            inner += [line for lines in part(kind, f"{name}.", name, depth) for line in lines]  # type: ignore[arg-type]
        else:
            text = docs.get(field.name, "")
        flag = f"--{name.replace('_', '-')}"
        lines += [f"`{flag}` `{type_text(kind)}`, {default_text(field)}", f": {text.strip() or '—'}", ""]
    return lines, inner


SHOWN: set[str] = set()


def kinds(family: dict[str, type], name: str, depth: int) -> list[str]:
    """Returns the sections of all kinds of a family; those of families inside them once."""
    if name in SHOWN:
        return []
    SHOWN.add(name)
    sections = [
        part(cls, f"{name}.", f"{name} {known}", depth)
        for known, cls in family.items()
        if cls.__module__.startswith("jaxvae.")
    ]
    return [line for one, _ in sections for line in one] + [line for _, inner in sections for line in inner]


def write_config(app: Sphinx) -> None:
    """Writes the page."""
    from jaxvae import Config
    from jaxvae.config import DevicesConfig

    SHOWN.clear()
    sections = [*part(Config, "", "The experiment", 2), *part(DevicesConfig, "devices.", "devices", 2)]
    write_page(app, "config.md", "\n".join([HEAD, *(line for section in sections for line in section)]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.connect("builder-inited", write_config)
    return {"version": "1", "parallel_read_safe": True}
