"""What every command begins with."""

import os

from settings import Settings, SettingsError
from starter.errors import SetupError


def load_settings() -> Settings:
    """Return the settings of this process.

    Raises:
        SetupError: A variable has a value that cannot be used.
    """
    try:
        return Settings.from_env(os.environ)
    except SettingsError as error:
        raise SetupError(str(error)) from error
