"""Options: the flags of a command, made from the table of settings.

May live here: turning settings into click options and back. May not know: what a setting does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from fhir_server.settings import PREFIX, Settings, flag_of

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

PLACE = ("data", "mongo_uri", "database")
"""The settings that say where the database is."""


def setting_options(*names: str) -> Decorator:
    """A flag for each of the settings `names` (all that may be flags if none is given); absent is None.

    The variables are read by `Settings.read`, so that flags and variables are checked by the same rules.
    """
    rows = [row for row in fields(Settings) if row.name in names or (not names and _is_flag(row))]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for row in reversed(rows):
            default = "" if row.default in ("", False) else f"  [default: {row.default}]"
            hint = f"{row.metadata['what']}.{default}"
            kind: dict[str, Any] = (
                {"is_flag": True} if row.type == "bool" else {"type": int if row.type == "int" else str}
            )
            command = click.option(flag_of(row.name), row.name, default=None, help=hint, **kind)(command)
        return command

    return decorate


def chosen(**flags: Any) -> Settings:
    """The settings that the flags and the environment give; SettingsFault refuses."""
    return Settings.read(**flags)


def variables() -> list[str]:
    """Names of the variables that no flag stands for (secrets)."""
    return [PREFIX + row.name.upper() for row in fields(Settings) if not _is_flag(row)]


def _is_flag(row: Any) -> bool:
    return bool(row.metadata["flag"]) or row.name == "mongo_uri"
