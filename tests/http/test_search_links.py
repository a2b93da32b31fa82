"""The links of a searchset, as a client that is strict about URIs reads them; rows 71 and 72."""

from __future__ import annotations

import re

from tests.kit import people
from tests.kit.world import BASE

OPERATOR = people.operator()
# https://www.rfc-editor.org/rfc/rfc3986#appendix-A
URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?@!$&'()*+,;=]|%[0-9A-F]{2})+")


def test_every_link_is_a_uri_that_asks_for_the_same(world):
    for id_ in ("a", "b", "c"):
        world.put(
            {
                "resourceType": "Organization",
                "id": id_,
                "name": "É|,x",
                "identifier": [{"system": "urn:o", "value": "1"}],
            }
        )
    asked = "Organization?identifier=urn:o%7C1&name=%C3%A9%5C%7C&_count=1"
    seen, url = [], asked
    while url:
        got = world.ask(OPERATOR, "GET", url)
        seen += got.ids
        links = {each["relation"]: each["url"] for each in got.json["link"]}
        assert [] == [each for each in links.values() if not URI.fullmatch(each)]
        assert got.ids == world.ask(OPERATOR, "GET", links["self"].removeprefix(f"{BASE}/")).ids
        url = links.get("next", "").removeprefix(f"{BASE}/")

    assert ["Organization/c", "Organization/b", "Organization/a"] == seen
