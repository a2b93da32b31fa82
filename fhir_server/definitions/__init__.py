"""Definitions: R4 as data, and its readers.

May live here: what https://hl7.org/fhir/R4/ publishes (`r4/`, generated) and what `profiles/` adds to it, as frozen
values that are looked up by URL, type, path or code. May not know: any resource, the store, who asks.
"""
