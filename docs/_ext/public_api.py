"""Writes the reference of the Python API: a page for each module with `__all__`, and the table of all modules.

An object that several modules list is described once, in the deepest of them, and linked from `jaxvae`. Docstrings are
prose with Markdown's single backticks; they become reStructuredText on the way to autodoc.
"""

import importlib
import inspect
import pkgutil
import re
from dataclasses import fields, is_dataclass
from types import ModuleType
from typing import Any

from docutils import nodes
from generated import write_page
from sphinx import addnodes
from sphinx.application import Sphinx

SECTIONS = re.compile(
    r"^(Args|Arguments|Attributes|Example|Examples|Note|Raises|References|Returns|Yields|Warning):\s*$"
)


def modules(package: str) -> list[str]:
    """Returns the names of all modules below a package, itself first, without those that start with an underscore."""
    root = importlib.import_module(package)
    found = [each.name for each in pkgutil.walk_packages(root.__path__, f"{package}.")]
    return [package, *sorted(name for name in found if not name.rpartition(".")[2].startswith("_"))]


def public_modules() -> dict[str, ModuleType]:
    """Returns the packages of jaxvae that list public names, by name."""
    names = [name for name in modules("jaxvae") if importlib.util.find_spec(name).submodule_search_locations]  # type: ignore[union-attr]
    imported = {name: importlib.import_module(name) for name in names}
    return {name: module for name, module in imported.items() if getattr(module, "__all__", None)}


def homes(public: dict[str, ModuleType]) -> dict[int, tuple[str, str]]:
    """Returns the module and name under which each public object is described, by the object's id."""
    deepest_first = sorted(public, key=lambda name: name.count("."), reverse=True)
    found: dict[int, tuple[str, str]] = {}
    for module in deepest_first:
        for name in public[module].__all__:
            found.setdefault(id(getattr(public[module], name)), (module, name))
    return found


def summary(thing: Any) -> str:
    """Returns the first sentence of a docstring, for a cell of a table."""
    first = (inspect.getdoc(thing) or "").split("\n\n")[0]
    sentence = re.split(r"(?<=\.)(?<!al\.)\s", " ".join(first.split()))[0]
    return sentence.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def functions_first(names: dict[str, Any]) -> dict[str, Any]:
    """Returns functions, then classes, then configs, each in the order in which they were."""

    def rank(name: str) -> int:
        thing = names[name]
        return 0 if not inspect.isclass(thing) else 1 if type(thing) is type else 2

    return {name: names[name] for name in sorted(names, key=rank)}


def described(module: str, name: str, thing: Any) -> list[str]:
    """Returns the autodoc directive of one object."""
    if inspect.isclass(thing):
        if is_dataclass(thing) and type(thing) is not type:  # The metaclass of configs hides the fields.
            arguments = ", ".join(["*", *(field.name for field in fields(thing))])
            return [f".. autoclass:: {name}({arguments})", "   :members:", ""]
        if not issubclass(thing, tuple):
            return [f".. autoclass:: {name}", "   :members:", ""]
        names = getattr(thing, "_fields", ())
        # The docstring says what the fields are; types of functions would bury their names.
        signature = f"({', '.join(names)})" if "Attributes:" in (thing.__doc__ or "") else ""
        hidden = ", ".join([*names, "count", "index"])
        return [f".. autoclass:: {name}{signature}", "   :members:", f"   :exclude-members: {hidden}", ""]
    kind = "autofunction" if callable(thing) and hasattr(thing, "__name__") else "autodata"
    return [f".. {kind}:: {name}", ""]


def module_page(module: str, names: dict[str, Any]) -> str:
    """Returns the page of one module with the objects that are at home there."""
    lines = [f"# {module}", "", "```{eval-rst}", f".. automodule:: {module}", ""]
    for name, thing in functions_first(names).items():
        lines += described(module, name, thing)
    return "\n".join([*lines, "```", ""])


def write_api(app: Sphinx) -> None:
    """Writes the pages."""
    public = public_modules()
    home, jaxvae = homes(public), public["jaxvae"]
    pages = []
    for module, content in public.items():
        things = {name: getattr(content, name) for name in content.__all__}
        own = {name: thing for name, thing in things.items() if home[id(thing)] == (module, name)}
        if own:
            write_page(app, f"api/{module}.md", module_page(module, own))
            pages.append(module)
    rows = []
    for name, thing in functions_first({name: getattr(jaxvae, name) for name in jaxvae.__all__}).items():
        rows.append(f"| {{py:obj}}`{name} <{'.'.join(home[id(thing)])}>` | {summary(thing)} |")
    toc = "\n".join(f"api/{module}" for module in pages)
    text = (
        "# Python API\n\nWith `import jaxvae as jv`, these names are at hand. Each is described in the package that it "
        "belongs to; nothing is imported before it is used.\n\n| name | |\n| --- | --- |\n" + "\n".join(rows)
        + f"\n\n## Packages\n\n```{{toctree}}\n:maxdepth: 1\n\n{toc}\n```\n"
    )  # fmt: skip
    write_page(app, "python.md", text)
    write_modules(app)


def write_modules(app: Sphinx) -> None:
    """Writes the table of all modules: what is in each, in one line."""
    lines = ["# Every module", "", "The first line of each module's docstring, package by package.", ""]
    groups: dict[str, list[str]] = {}
    for name in modules("jaxvae"):
        spec = importlib.util.find_spec(name)
        is_package = bool(spec and spec.submodule_search_locations)
        groups.setdefault(name if is_package else name.rpartition(".")[0], []).append(name)
    for package, names in groups.items():
        lines += [f"## {package}", "", "| module | |", "| --- | --- |"]
        for name in names:
            module = importlib.import_module(name)
            shown = "`__init__`" if name == package else f"`{name.removeprefix(package + '.')}`"
            lines.append(f"| {shown} | {summary(module)} |")
        lines.append("")
    write_page(app, "modules.md", "\n".join(lines))


def to_rst(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Turns a docstring into reStructuredText: code in backticks, formulas as literal blocks, no stray markup."""
    out: list[str] = []
    in_section = in_block = False
    for number, line in enumerate(lines):
        indented, blank = line.startswith("    "), not line.strip()
        if SECTIONS.match(line):
            in_section, in_block = True, False
        elif not indented and not blank:
            in_section = in_block = False
        starts = indented and not in_section and not in_block and (number == 0 or not lines[number - 1].strip())
        if starts and not line.lstrip().startswith(">>>"):
            out += ["::", ""]
            in_block = True
        out.append(line if in_block or line.lstrip().startswith(">>>") else _escape(line))
    lines[:] = out


def _escape(line: str) -> str:
    pieces = re.split(r"(`[^`]+`)", line)
    plain = (re.sub(r"([*|])|(?<=\w)(_)(?=\W|$)", r"\\\1\2", piece) for piece in pieces[::2])
    code = (f"`{piece}`" for piece in pieces[1::2])
    return "".join(piece for pair in zip(plain, [*code, ""], strict=True) for piece in pair)


PATHS = re.compile(r"\b(?:jaxlib\._jax|jax|jaxtyping|numpy)\.(?=(Array|ndarray|[A-Z]\w*\[))")


def plain_types(app: Sphinx, doctree: nodes.document) -> None:
    """Writes arrays as the source does: Float[Array, 'b d'], not Float[jaxlib._jax.Array, 'b d']."""
    for signature in doctree.findall(addnodes.desc_signature):
        for text in list(signature.findall(nodes.Text)):
            if (plain := PATHS.sub("", text)) != text:
                text.parent.replace(text, nodes.Text(plain))


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension; docstrings are converted before napoleon reads their sections."""
    app.connect("builder-inited", write_api)
    app.connect("autodoc-process-docstring", to_rst, priority=400)
    app.connect("doctree-read", plain_types)
    return {"version": "1", "parallel_read_safe": True}
