"""Settings of which each may be a file instead of an environment variable.

What an environment holds is shown by many tools; a password belongs into a file, as containers'
secrets are.
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
"""The variable that names the folder; its files are called as the variables, in small letters."""


class WrongSettingError(ValueError):
    """A setting has no value that it may have."""


class SettingsWithSecretFiles(BaseSettings):
    """Settings that are also looked for in a folder of secrets; variables come before files.

    Raises:
        WrongSettingError: One is not what it must be; the message names its variable, and not its
            value, which may hold a password.
    """

    # Compose files hand on what is not set as empty text.
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
        """Return where settings come from, first what counts first."""
        folder = os.environ.get(SECRETS_DIR)
        if folder is None:
            return init_settings, env_settings
        files = SecretsSettingsSource(settings_cls, secrets_dir=Path(folder))
        return init_settings, env_settings, files
