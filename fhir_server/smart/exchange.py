"""Exchange: an OAuth request and its answer as values, between HTTP and Authlib.

May live here: what was sent (parameters, headers, address) in the form that Authlib reads, and what is to be answered.
May not know: Flask. https://www.rfc-editor.org/rfc/rfc6749
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Payload, OAuth2Request

NO_STORE = (("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache"))

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was sent to an OAuth address: `pairs` are the decoded parameters, of the query of a GET or of a form."""

    method: str
    pairs: Pairs
    headers: Mapping[str, str] = field(default_factory=dict)
    address: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be answered: a JSON body or none, and headers."""

    status: int
    body: Mapping[str, Any] | None
    headers: Pairs = NO_STORE


class _Payload(OAuth2Payload):  # type: ignore[misc] # authlib is untyped
    def __init__(self, pairs: Pairs) -> None:
        self._lists: defaultdict[str, list[str]] = defaultdict(list)
        for name, value in pairs:
            self._lists[name].append(value)
        # RFC 6749 section 3.1: "Parameters sent without a value MUST be treated as if they were omitted"
        self._data = {name: values[0] for name, values in self._lists.items() if values[0]}

    @property
    def data(self) -> dict[str, str]:
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return self._lists


class OAuthRequest(OAuth2Request):  # type: ignore[misc]
    """The request as Authlib's grants read it."""

    def __init__(self, asked: Asked) -> None:
        # Authlib refuses http even on 127.0.0.1; which transport is fit is for the settings to say, not for a grant
        super().__init__(asked.method, "https://localhost/", headers=asked.headers)
        self.asked = asked
        self.payload = _Payload(asked.pairs)

    @property
    def args(self) -> dict[str, str]:
        """The parameters of a GET."""
        return self.payload.data if self.method == "GET" else {}

    @property
    def form(self) -> dict[str, str]:
        """The parameters of a POST."""
        return self.payload.data if self.method == "POST" else {}

    def repeated(self) -> str | None:
        """The name of a parameter that was sent twice (RFC 6749 section 3.1 forbids it)."""
        return next((name for name, values in self.payload.datalist.items() if len(values) > 1), None)
