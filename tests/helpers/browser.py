"""Debian's chromium, driven by playwright: what a person sees of a page, and what the page loads and complains about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",  # root needs it
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 120_000
"""For a page of a server, also on a busy machine."""
SCREENS = {"wide": (1400, 900), "phone": (390, 844)}
"""Width and height in CSS pixels."""

# An element that ends right of the window is cut, unless one around it scrolls or cuts on purpose.
OVERFLOWING = """() => {
  const cuts = (e) => e && e !== document.body && (getComputedStyle(e).overflowX !== "visible" || cuts(e.parentElement));
  return [...document.body.querySelectorAll("*")]
    .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1 && !cuts(e.parentElement))
    .map((e) => `${e.tagName} .${e.getAttribute("class")} ${e.textContent.trim().slice(0, 60)}`);
}"""
# WCAG 2: (lighter + 0.05) / (darker + 0.05) of the text and of the first background behind it that is not transparent.
CONTRAST = """(e) => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let behind = e;
  while (/, 0\\)$/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
  const [low, high] = [light(getComputedStyle(e).color), light(getComputedStyle(behind).backgroundColor)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, for a block; fails with the command that installs it where there is none."""
    if not CHROMIUM.exists():
        pytest.fail(f"no {CHROMIUM} on this machine: run apt-get install chromium", pytrace=False)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Seen:
    """An opened page, the addresses it asked for and the errors on its console."""

    def __init__(self, browser: Browser, address: str, screen: str = "wide", scheme: Any = "light") -> None:
        width, height = SCREENS[screen]
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page: Page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)

    def __enter__(self) -> Seen:
        return self

    def __exit__(self, *exc: object) -> None:
        self.page.close()

    def overflowing(self) -> list[str]:
        """What is cut at the right edge or makes the whole page scroll sideways."""
        scrolls = self.page.evaluate("document.scrollingElement.scrollWidth > innerWidth")
        return [*(["the page scrolls sideways"] if scrolls else []), *self.page.evaluate(OVERFLOWING)]

    def on_first_screen(self, element: Locator) -> bool:
        """Whether all of an element is seen without scrolling."""
        box, size = element.bounding_box(), self.page.viewport_size
        assert size is not None
        return (
            box is not None
            and min(box["x"], box["y"]) >= 0
            and box["x"] + box["width"] <= size["width"]
            and box["y"] + box["height"] <= size["height"]
        )


def contrast(element: Locator) -> float:
    """Of a text and what is behind it, 1 to 21."""
    return float(element.evaluate(CONTRAST))
