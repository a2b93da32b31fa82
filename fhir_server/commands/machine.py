"""machine: the facts of this machine without which a figure means nothing. May live here: those facts."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any


def facts_line(facts: Mapping[str, Any]) -> str:
    """The machine in a line."""
    return "; ".join(f"{name} {value}" for name, value in facts.items())


def machine(**more: Any) -> dict[str, Any]:
    """The facts without which a figure means nothing."""
    cpu = Path("/proc/cpuinfo")
    model = ""
    if cpu.exists():
        lines = (line.partition(":") for line in cpu.read_text("utf-8").splitlines())
        model = next((value.strip() for name, _, value in lines if name.strip() == "model name"), "")
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": model or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        **{name: version(name) for name in ("flask", "granian", "pymongo")},
        **{name: round(value, 2) if isinstance(value, float) else value for name, value in more.items()},
    }
