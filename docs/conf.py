"""Settings of the documentation; `make docs` builds it and treats every warning as an error."""

import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "_ext"), str(DOCS.parent)]

import assocmem  # noqa: E402

project = "assocmem"
author = "The assocmem authors"
copyright = author
version = release = assocmem.__version__

extensions = [
    "claims",
    "myst_parser",
    "numpydoc",
    "sidebar",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "examples"]
root_doc = "index"
nitpicky = True

myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "dollarmath"]
bibtex_bibfiles = ["refs.bib"]
bibtex_reference_style = "author_year"

# The signatures stay short: the docstrings state shapes and conventions.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False  # the pages say which members they show
default_role = "code"

# The examples of the pages; those of the docstrings run in the tests.
doctest_test_doctest_blocks = ""
doctest_global_setup = "import warnings; warnings.simplefilter('error')"

# The gallery: all examples run, each downloadable as a script and as a notebook.
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "capture_repr": (),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "within_subsection_order": "FileNameSortKey",
    "remove_config_comments": True,
}

html_theme = "furo"
html_title = "assocmem"
html_copy_source = False
# One file that holds all of MathJax, so that the site needs no network.
html_static_path = ["_static", "_build/node_modules/mathjax/es5/tex-svg-full.js"]
html_css_files = ["site.css"]
mathjax_path = "tex-svg-full.js"

CITATION = re.compile(r"\[([A-Z][A-Za-z]*(?:18|19|20)\d\d[a-z]?)(, [^\]]*)?\]")
# reST takes |x| for a substitution.
ABSOLUTE_VALUE = re.compile(r"(?<![^\s(/])\|([^|]+)\|(?=[\s,.:;)/]|$)")


def read_docstring(app, what, name, obj, options, lines):
    """Docstrings as reST, before numpydoc reads their sections: citations, and |bars| as bars."""
    for number, line in enumerate(lines):
        line = CITATION.sub(r":cite:t:`\1`\2", line)
        lines[number] = ABSOLUTE_VALUE.sub(r"\|\1\|", line)


def setup(app):
    app.set_html_assets_policy("always")  # titles with formulas stand on pages without any
    app.connect("autodoc-process-docstring", read_docstring, priority=100)
