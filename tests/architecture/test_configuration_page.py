"""docs/configuration.md lists every setting, and no setting that does not exist."""

import re
from pathlib import Path

from core.settings import ENV_PREFIX, Settings

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_lists_just_the_settings_there_are() -> None:
    described = set(re.findall(rf"`({ENV_PREFIX}[A-Z_]+)`", PAGE.read_text("utf-8")))
    existing = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    assert described == existing
