"""Cursors: sealed page tokens (https://hl7.org/fhir/R4/http.html#paging).

May live here: sealing a position and opening it again. May not know: what a position means.

A token is bound to the asker and to the query it continues, so it cannot be read, changed, handed on or used for
another query. It is sealed by AES-SIV (RFC 5297), which takes no random nonce: the same page of the same query has
the same token, and so two servers that hold the same answer byte for byte alike (decisions 16).
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from fhir_server.foundation.problem import bad_request
from fhir_server.search.query import Query
from fhir_server.search.special import PAGE, PASSED_BY

KEY_BYTES = 32


def fingerprint(query: Query) -> str:
    """What a query's pages have in common: its type, its compartment and what it asks, not the page or the format."""
    left_out = PASSED_BY | {PAGE}
    asked = [query.type, query.compartment, *([name, value] for name, value in query.asked if name not in left_out)]
    return hashlib.sha256(json.dumps(asked, ensure_ascii=True).encode()).hexdigest()


def seal(key: bytes, asker: str, query_fingerprint: str, position: Sequence[Any]) -> str:
    """The page token of a position, URL-safe; `key` is at least `KEY_BYTES` secret bytes of the deployment."""
    plain = json.dumps(list(position), separators=(",", ":")).encode()
    sealed = _cipher(key).encrypt(plain, [asker.encode(), query_fingerprint.encode()])
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def open_(key: bytes, asker: str, query_fingerprint: str, text: str) -> list[Any]:
    """The position in a page token; Problem 400 if it was changed, or sealed for another asker or another query."""
    try:
        sealed = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        plain = _cipher(key).decrypt(sealed, [asker.encode(), query_fingerprint.encode()])
    except (InvalidTag, ValueError, binascii.Error):
        raise bad_request("this page is not one of this search; begin again at its first page") from None
    position = json.loads(plain)
    return list(position)


@lru_cache(maxsize=4)
def _cipher(key: bytes) -> AESSIV:
    if len(key) < KEY_BYTES:
        raise ValueError(f"a cursor key has at least {KEY_BYTES} bytes")
    return AESSIV(hmac.digest(key, b"search cursor", "sha512"))
