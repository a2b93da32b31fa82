"""SearchParameter: an active one makes its types searchable, so it must be one that can be searched by (docs/adr/0023).

May live here: that rule for a body. May not know: which parameters there are, and what has been indexed by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.definitions.own_parameters import faults
from fhir_server.foundation.problem import Issue
from fhir_server.resources.facts import is_of_record


def check_search_parameter(resource: Mapping[str, Any]) -> list[Issue]:
    """What keeps an active one from being searched by, each with its element."""
    return faults(resource, is_of_record)
