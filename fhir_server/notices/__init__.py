"""Notices: what the holder of a record is told, and the ways it takes."""
