"""Requests over a socket to a server that really runs."""

from __future__ import annotations

import json

import requests

JSON = "application/fhir+json"


class Rest:
    """Requests to one server, as an operator."""

    def __init__(self, base):
        self.base, self.session = base, requests.Session()

    def ask(self, method, url, body=None, content_type=JSON, **headers):
        data = body if body is None or isinstance(body, bytes | str) else json.dumps(body)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and content_type:
            sent["Content-Type"] = content_type
        where = url if url.startswith("http") else f"{self.base}/{url}".rstrip("/")
        return self.session.request(method, where, data=data, headers=sent, timeout=30, allow_redirects=False)

    def made(self, resource):
        answered = self.ask("POST", resource["resourceType"], resource)
        assert 201 == answered.status_code, answered.text
        return f"{resource['resourceType']}/{answered.json()['id']}"
