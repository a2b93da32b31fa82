"""Build the pages of docs/reference that are made from tables of the code; `make docs` runs it."""

from collections.abc import Callable
from pathlib import Path

from fhir_server import settings

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {"settings.md": settings.document}


def main() -> None:
    """Write every page."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), "utf-8")
        print(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
