"""Make docs/ranks.png, the picture of notebooks/langchain_rag.ipynb: `.venv/bin/python tests/support/ranks_picture.py`."""

import json
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "langchain_rag.ipynb"
PICTURE = ROOT / "docs" / "ranks.png"


def main() -> None:
    mpl.use("agg")
    names = {"display": lambda _: None}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            exec(source.replace("plt.show()", ""), names)
        if plt.get_fignums():
            plt.savefig(PICTURE, dpi=180)
            return


if __name__ == "__main__":
    main()
