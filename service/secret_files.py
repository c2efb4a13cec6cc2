"""Settings of which each may be a file instead of an environment variable.

What an environment holds is shown by many tools; a password belongs into a file, as containers'
secrets are.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
)

__all__ = ["SECRETS_DIR", "SettingsWithSecretFiles"]

SECRETS_DIR: Final = "NASBENCH_SECRETS_DIR"
"""The variable that names the folder; its files are called as the variables, in small letters."""


class SettingsWithSecretFiles(BaseSettings):
    """Settings that are also looked for in a folder of secrets; variables come before files."""

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
