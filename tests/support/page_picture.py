"""Write docs/page.png, a picture of the server's page: `.venv/bin/python tests/support/page_picture.py`."""

from pathlib import Path

from bge_rerank import load_scorer
from chromium import chromium
from served import serving

PICTURE = Path(__file__).parents[2] / "docs" / "page.png"


def main() -> None:
    with serving(load_scorer("mini").loaded()) as url, chromium() as browser:
        page = browser.new_page(
            viewport={"width": 1000, "height": 660}, color_scheme="light", device_scale_factor=2
        )
        page.goto(url)
        for _ in range(3):  # the first ranking is slower than the next ones
            page.keyboard.press("Control+Enter")
            page.get_by_text(" ms").wait_for()
        page.screenshot(path=PICTURE)


if __name__ == "__main__":
    main()
