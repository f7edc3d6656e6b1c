"""`inline_svg`: a drawing as SVG inside a page, in the page's colours and font."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bge_rerank.evaluation.report.palette import light, themed

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": light("soft"),
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": light("ink"),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11.0,
    "grid.color": light("thin"),
    "svg.fonttype": "none",  # text stays text: it can be searched and copied, and has the page's font
    "svg.hashsalt": "bge-rerank",
    "xtick.color": light("soft"),
    "xtick.labelcolor": light("ink"),
    "ytick.color": light("soft"),
    "ytick.labelcolor": light("ink"),
}
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
"""Left out, so that the same evaluation gives the same report."""
_STYLE_SHEET = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
_ID = re.compile(r' id="([^"]+)"')
_REFERENCE = re.compile(r'((?:href="|url\()#)([^")]+)')


def inline_svg(draw: Callable[[Axes], None], name: str, size: tuple[float, float]) -> Markup:
    """Draw a picture, as an element whose ids do not clash with others in the page.

    The same drawing gives the same SVG, whatever the settings of matplotlib elsewhere.

    Args:
        draw: A function that draws on the axes in colours of `light`. It must not write text from the
            data.
        name: The start of the picture's ids, unique in the page.
        size: Width and height in inches of 72 units; letters are 11 units high.
    """
    file = StringIO()
    # The settings of SVG are global, so they are changed only inside this block.
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        figure.savefig(file, format="svg", transparent=True, metadata=NO_METADATA)
    svg = file.getvalue()
    # A style sheet inside a picture would apply to the whole page.
    element = _STYLE_SHEET.sub("", svg[svg.index("<svg") :].rstrip())
    return Markup(themed(with_own_ids(element, name)))  # noqa: S704 - drawn here, not taken from the data


def with_own_ids(svg: str, name: str) -> str:
    """Replace each id that is referred to by the name and a number, and drop the other ids.

    >>> with_own_ids('<g id="a"><path id="b"/><use xlink:href="#b"/></g>', "plot")
    '<g><path id="plot-1"/><use xlink:href="#plot-1"/></g>'
    """
    referred = dict.fromkeys(found for _, found in _REFERENCE.findall(svg))
    own = {id_: f"{name}-{number}" for number, id_ in enumerate(referred, 1)}
    renamed = _ID.sub(lambda found: f' id="{own[found[1]]}"' if found[1] in own else "", svg)
    return _REFERENCE.sub(lambda found: f"{found[1]}{own[found[2]]}", renamed)
