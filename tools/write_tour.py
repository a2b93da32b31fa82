"""Put what `make demo` prints into the README, between the marks of its tour; `make tour` runs it, a test compares."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
TOUR = re.compile(r"(<!-- tour:begin -->\n```\n).*?(\n```\n<!-- tour:end -->)", re.DOTALL)


def main() -> int:
    """Play, and write; the exit status is that of the play, and the README is left alone if it failed."""
    command = [sys.executable, "-c", "from fhir_server.commands import main; main()", "demo", "--exit"]
    played = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False)
    if played.returncode:
        sys.stderr.write(played.stdout)
        return played.returncode
    README.write_text(TOUR.sub(lambda found: found[1] + played.stdout.strip() + found[2], README.read_text("utf-8")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
