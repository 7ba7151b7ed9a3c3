"""Debian's Chromium, driven by Playwright, which brings no browser here."""

import importlib.util
import shutil
from contextlib import contextmanager

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")
NO_GPU = ("--disable-gpu",)
SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@contextmanager
def launched(*more):
    """A browser with these arguments, or a test that is skipped with the name of what is missing."""
    if CHROMIUM is None:
        pytest.skip("needs a browser: apt-get install chromium")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("needs playwright: pip install 'sanum[dev]'")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *more])
        yield started
        started.close()
