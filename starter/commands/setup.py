"""What every command begins with."""

import os

from artifacts.private import close_home
from settings import Settings, SettingsError
from starter.errors import SetupError


def load_settings() -> Settings:
    """Return the settings of this process, once others cannot read what is kept in its home.

    Raises:
        SetupError: A variable has a value that cannot be used.
    """
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        raise SetupError(str(error)) from error
    # What cannot be closed is the worker's to say, and `longhaul doctor`'s.
    close_home(settings.home)
    return settings
