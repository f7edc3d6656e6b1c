"""The documentation site: Sphinx, with pages in Markdown (`make docs`)."""

import posixpath
import re
from pathlib import Path

# Imported here, since both fail to import while autodoc runs.
import fastapi  # noqa: F401
import llama_index.core  # noqa: F401
from sphinx.application import Sphinx

import bge_rerank

ROOT = Path(__file__).parents[1]
INCLUDED = {
    "../README.md": "index.md",
    "../CONTRIBUTING.md": "contributing.md",
    "../SECURITY.md": "security.md",
    "../mini/README.md": "mini.md",
    "../benchmarks/LOG.md": "engineering-log.md",
}
"""The pages of files that stand outside this folder."""

project = "bge-rerank"
author = "The authors of bge-rerank"
version = release = bge_rerank.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
nitpicky = True
nitpick_ignore_regex = [
    # Types that the API reference does not list stay without a link.
    (
        "py:.*",
        r"(?!(bge_rerank|langchain_bge_rerank|llamaindex_bge_rerank)(\.(evaluation|calibration|scoring|server))?\.[A-Z]\w+$).*",
    ),
]

# Headings have the same anchors as on GitHub.
myst_heading_anchors = 4
# Docstrings write code in single backticks.
default_role = "code"
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"
# Quotes in tables are code that is copied.
smartquotes = False

html_theme = "furo"
html_title = "bge-rerank"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_show_copyright = False
html_copy_source = False

linkcheck_ignore = [r"http://localhost.*", r"http://127\.0\.0\.1.*"]


def setup(app: Sphinx) -> None:
    """Connect what this site adds to Sphinx."""
    app.connect("source-read", lead_links_into_the_site)


def lead_links_into_the_site(app: Sphinx, _page: str, source: list[str]) -> None:
    """Make the links of a page, which hold in the repository, hold in the site.

    A file that a page includes has links from its own folder. A file without a page is named.
    """

    def included(found: re.Match[str]) -> str:
        path = ROOT / found[1]
        app.env.note_dependency(str(path))
        folder = posixpath.join("..", posixpath.dirname(found[1]))
        return re.sub(
            r"\]\((?!\w+:|#)([^)]+)",
            lambda link: f"]({posixpath.normpath(posixpath.join(folder, link[1]))}",
            path.read_text(encoding="utf-8"),
        )

    text = re.sub(r"```\{include\} \.\./(\S+)\n```", included, source[0])
    for path, page in (("../docs/", ""), *INCLUDED.items()):
        text = text.replace(f"]({path}", f"]({page}")
    source[0] = re.sub(r"(?<!!)\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)", named, text)


def named(link: re.Match[str]) -> str:
    """Return a link's text, followed by the path of the file unless the text is that path."""
    text, path = link[1], link[2]
    return f"`{path}`" if text.strip("`") == path else f"{text} (`{path}`)"
