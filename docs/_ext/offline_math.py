"""Formulas as MathML, which browsers draw by themselves: no script, no fonts, no network."""

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

# What the converter sets otherwise than TeX: a thin space after log, and a relation with space around it.
CORRECTIONS = {"<mi>log</mi>": '<mi>log</mi><mspace width="0.2em"/>', "<mi>&#x0007E;</mi>": "<mo>&#x0223C;</mo>"}


def mathml(formula: str, display: str) -> str:
    """Returns a formula as MathML."""
    text = convert(formula, display=display)
    for old, new in CORRECTIONS.items():
        text = text.replace(old, new)
    return text


def visit_inline(translator: Any, node: nodes.math) -> None:
    """Writes a formula inside a line."""
    translator.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_display(translator: Any, node: nodes.math_block) -> None:
    """Writes a formula on a line of its own."""
    translator.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the renderer."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    return {"version": "1", "parallel_read_safe": True}
