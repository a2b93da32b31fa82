"""Rounds: what must happen to records as time passes, and nobody asks for (docs/adr/0030)."""
