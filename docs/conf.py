"""How Sphinx builds the documentation; ``nox -s docs`` runs it with warnings as errors."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

project = "onnxport"
author = "The onnxport authors"
project_copyright = author
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "onnxport"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "imported-members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
napoleon_use_ivar = True


def fill_support_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the tables, made from the registry and the measurements, where the support page asks for them."""
    if docname == "support":
        from tools import support_page  # noqa: PLC0415 - imports the packages, which only this page needs

        source[0] = source[0].replace(support_page.PLACEHOLDER, support_page.render())


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", fill_support_page)
