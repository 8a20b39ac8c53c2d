"""Configuration of the documentation site: `sphinx-build -W docs out/docs`."""

import logging
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aif_ros import __version__  # noqa: E402

# A package that is imported for the reference turns on all debug messages.
logging.getLogger("markdown_it").setLevel(logging.WARNING)

project = "aif_ros"
author = "The aif_ros developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["images", "api/modules.rst"]
html_theme = "furo"
html_title = f"aif_ros {__version__}"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

apidoc_modules = [
    {
        "path": "../aif_ros",
        "destination": "api",
        "separate_modules": True,
        "module_first": True,
        # Programs: importing them runs them.
        "exclude_patterns": [
            "../aif_ros/__main__.py",
            "../aif_ros/benchmarks/run_shinestacker.py",
        ],
    }
]
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"
# Names in backquotes that several classes have need no link; links to files beside docs/ are tested
# by test/test_readme.py.
suppress_warnings = ["myst.xref_missing", "ref.python"]
