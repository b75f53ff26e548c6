"""Settings for tests: whole, local, and blind to the developer's own environment."""

import os
from base64 import b64encode
from typing import Any

from carteiro.home import free_port
from core.settings import Settings

__all__ = ["APP_SECRET", "SECRET_KEY", "VERIFY_TOKEN", "free_port", "make_settings"]

SECRET_KEY = b64encode(bytes(range(32))).decode()
APP_SECRET = "0123456789abcdef0123456789abcdef"
VERIFY_TOKEN = "verify-token-of-the-tests"


def make_settings(**overrides: Any) -> Settings:
    """Settings with every secret present; `overrides` are field names of Settings."""
    values = {
        "secret_key": SECRET_KEY,
        "meta_app_secret": APP_SECRET,
        "meta_verify_token": VERIFY_TOKEN,
        "log_format": "console",
        "environment": "ci",
    }
    return Settings(**{**values, **overrides})


def forget_product_environment() -> None:
    """Drop CARTEIRO_* variables, except CARTEIRO_TEST_* and where root's servers may live."""
    kept = ("CARTEIRO_TEST_", "CARTEIRO_SYSTEM_FOLDER")
    for name in list(os.environ):
        if name.startswith("CARTEIRO_") and not name.startswith(kept):
            del os.environ[name]
