"""Takes the pictures of the documentation from a home with the finished quickstart study:

    python docs/images/take.py HOME

It needs playwright (`pip install playwright`) and a Chromium of the system.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

SIZE = {"width": 1100, "height": 800}


def main(home: Path) -> None:
    """Write report.png beside this file."""
    report = home.resolve() / "studies" / "quickstart" / "report" / "report.html"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(report.as_uri())
        page.screenshot(path=Path(__file__).with_name("report.png"))
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
