"""The documentation site: Sphinx, built offline from these pages and from the package itself."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS / "_ext"), str(DOCS.parent / "src")]

project = "jaxvae"
author = "the jaxvae authors"
copyright = "the jaxvae authors, Apache-2.0"
version = release = installed_version("jaxvae")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "generated",  # The rest are in _ext/.
    "commands",
    "config_fields",
    "public_api",
    "package_diagram",
    "offline_math",
    "repository_links",
]
exclude_patterns = ["_ext", "README.md", "package-index.md"]
suppress_warnings = ["config.cache"]

# Pages are MyST Markdown; the notebook is shown as it is and run by `make test-notebook`.
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
html_math_renderer = "mathml"

# Docstrings are in Google style; one description per object, in the package that lists it in `__all__`.
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
napoleon_attr_annotations = False
napoleon_use_rtype = False
napoleon_include_init_with_doc = False
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_title = "jaxvae"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "navbar_persistent": [],
    "use_download_button": False,
    "use_fullscreen_button": False,
    "use_source_button": False,
}

copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True
