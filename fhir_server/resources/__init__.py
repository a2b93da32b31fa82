"""Resources: what a FHIR resource says, read from its JSON and nothing else.

May live here: JSON text, links, validation, access facts, and what single types need beyond their definition.
May not know: the store, who asks, what may be seen. A type is a row of data (`definitions/`); a module of its own
(`document_reference.py`, `list_.py`…) exists for what the row cannot say. https://hl7.org/fhir/R4/resourcelist.html
"""

from fhir_server.resources.kind import Kind, kind_of

__all__ = ["Kind", "kind_of"]
