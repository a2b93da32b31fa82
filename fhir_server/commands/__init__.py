"""Commands: `fhir-server`, one file per command, imported when it runs so that `--help` is quick.

May live here: reading the command line, showing progress, wiring rooms together for one errand. May not live here:
what the errand does; that is a room's. https://click.palletsprojects.com
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from fhir_server import __version__

COMMANDS = (
    "serve",
    "demo",
    "load",
    "client",
    "keys",
    "explain",
    "audit",
    "validate",
    "reindex",
    "round",
    "doctor",
    "bench",
)
"""Each is a module of this package that holds a click command of the same name."""


class Lazy(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; None if there is none."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        found = getattr(import_module(f"{__name__}.{cmd_name}"), cmd_name)
        assert isinstance(found, click.Command)  # noqa: S101 - the table and the modules agree; a test holds them to it
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a fault of ours is a sentence that says what to do next, not a traceback."""
        from fhir_server.settings import SettingsFault
        from fhir_server.store.connection import EngineFault

        try:
            return super().invoke(ctx)
        except (SettingsFault, EngineFault) as fault:
            raise click.ClickException(str(fault)) from fault


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="fhir-server")
def main() -> None:
    """The shared medical record of France (DMP) as an HL7 FHIR R4 server.

    \b
    To try it:        fhir-server serve --sandbox      then open http://127.0.0.1:8080/sandbox
    To watch it work: fhir-server demo
    If it does not:   fhir-server doctor

    Every flag has a variable: --base-url is FHIR_SERVER_BASE_URL. Without --mongo-uri the server runs a MongoDB of its
    own in its data directory (--data), and the other commands find it there.
    """  # noqa: D301 - click's own mark for lines it must not join
