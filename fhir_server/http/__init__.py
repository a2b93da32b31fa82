"""HTTP: Flask, the thin skin. Nothing below imports it."""
