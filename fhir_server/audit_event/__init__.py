"""Audit events: what was done to the record, by whom and why, on paper that cannot be changed unnoticed."""
