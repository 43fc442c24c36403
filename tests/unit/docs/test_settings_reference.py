from __future__ import annotations

import settings_reference


def test_the_settings_page_says_what_the_code_reads() -> None:
    assert settings_reference.PAGE.read_text() == settings_reference.page(), "run ./task docs"


def test_every_setting_has_its_meaning_in_words() -> None:
    silent = [
        line for line in settings_reference.page().splitlines() if line.startswith("| `") and line.endswith("|  |")
    ]
    assert silent == []
