"""Build with `sphinx-build -W docs docs/_build/html`."""

from automodel import __version__

project = "automodel"
author = "The automodel developers"
copyright = author
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"description": "Searched scikit-learn ensembles for tables"}
myst_heading_anchors = 3
numpydoc_show_class_members = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
