"""Settings that may be read from files instead of environment variables.

Many tools show the environment of a process, so passwords belong into files, such as the secrets of
containers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

__all__ = ["SECRETS_DIR", "SettingsWithSecretFiles", "WrongSettingError"]

SECRETS_DIR: Final = "NASBENCH_SECRETS_DIR"
"""Variable with the folder; its files have the names of the variables in lower case."""


class WrongSettingError(ValueError):
    """A setting has an invalid value."""


class SettingsWithSecretFiles(BaseSettings):
    """Settings that are also read from a folder of secret files; variables take precedence.

    Raises:
        WrongSettingError: A value is invalid; the message names the variable but not the value,
            which may contain a password.
    """

    # Compose files pass unset variables on as empty text.
    model_config = SettingsConfigDict(env_ignore_empty=True)

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False, include_context=False)
            told = (f"{self._variable(entry['loc'])}: {entry['msg']}" for entry in wrong)
            raise WrongSettingError("; ".join(told)) from None
        except SettingsError as error:
            raise WrongSettingError(str(error)) from None

    @classmethod
    def _variable(cls, place: tuple[int | str, ...]) -> str:
        """Return the environment variable of a setting."""
        name = str(place[0]) if place else ""
        prefix = cls.model_config.get("env_prefix", "")
        return f"{prefix}{name}".upper() if name in cls.model_fields else name

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is none
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of settings, highest precedence first."""
        folder = os.environ.get(SECRETS_DIR)
        if folder is None:
            return init_settings, env_settings
        files = SecretsSettingsSource(settings_cls, secrets_dir=Path(folder))
        return init_settings, env_settings, files
