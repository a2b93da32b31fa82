"""Consent: may they? A decision is a pure function of the request, the holder's directives and the access matrix.

May live here: what French law and the holder's wishes make of a request, as predicates. May not know: Flask, MongoDB,
the clock. Only `directives.py` reads the store. The words and durations come from `profiles/dmp`.
"""
