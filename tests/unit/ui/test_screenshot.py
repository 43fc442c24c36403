"""The script that pictures the dashboard, as far as it needs no browser."""

import base64
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import screenshot

SHOT = screenshot.Shot("http://127.0.0.1:1/", selector="canvas", text='says "1-3 of 3"', width=100, height=50)


def test_the_svg_carries_the_picture_at_the_size_of_the_view() -> None:
    root = ElementTree.fromstring(screenshot.svg(b"\x00picture\xff" * 99, SHOT, "The dashboard"))
    assert (root.get("width"), root.get("height")) == ("100", "50")
    title, image = root
    assert title.text == "The dashboard"
    kind, _, data = (image.get("href") or "").partition(",")
    assert kind == "data:image/webp;base64"
    assert base64.b64decode(data) == b"\x00picture\xff" * 99


def test_a_picture_too_large_for_a_checkout_is_refused() -> None:
    with pytest.raises(screenshot.UnableError, match="300000"):
        screenshot.svg(bytes(screenshot.LIMIT_BYTES), SHOT, "The dashboard")


def test_the_condition_asks_for_the_selector_and_the_text() -> None:
    assert 'document.querySelector("canvas")' in SHOT.condition
    assert r'includes("says \"1-3 of 3\"")' in SHOT.condition


def test_a_missing_browser_is_one_line_that_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert screenshot.main(["http://127.0.0.1:1/", str(tmp_path / "a.svg")]) == 1
    assert capsys.readouterr().err == "Chromium is not on PATH. On Debian: apt-get install chromium\n"
    assert not (tmp_path / "a.svg").exists()
