"""The application finds the endpoint of plain addresses as Flask's own routes do."""

from __future__ import annotations

import pytest
from flask import request, session
from werkzeug.test import EnvironBuilder

from fhir_server.http.application import HOSTS, Application

PLAIN = r"/base/([A-Z][a-z]*(?:/[a-z0-9]+)?)"
PATHS = ("Thing", "Thing/x", "Thing/x/y", "thing", "Thing/", "Thing//x", "Thing/X", "Thing/é", "", "/")
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "DELETE", "BREW")
HOST = ("127.0.0.1", "127.0.0.1:80", "a.example", "no host", "a" * 70 + ".example", "")
MORE: tuple[dict[str, str], ...] = ({}, {"Connection": "Upgrade", "Upgrade": "websocket"})


def _made() -> Application:
    app = Application(__name__, static_folder=None)

    def view(path: str) -> str:
        return f"{request.method} {request.endpoint} {request.blueprints} {request.host} {path}"

    app.add_url_rule("/base/<path:path>", "view", view, methods=["GET", "HEAD", "POST"])
    return app


@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("host", HOST)
def test_whoever_asks_hears_what_the_routes_say(host: str, more: dict[str, str]) -> None:
    slow, quick = _made(), _made()
    quick.answers_plainly(PLAIN, "view")
    for _ in range(2):  # a Host is known the second time
        for method in METHODS:
            for path in PATHS:
                sent = {"method": method, "headers": {"Host": host, **more}}
                told = [app.test_client().open(f"/base/{path}", **sent) for app in (slow, quick)]
                assert told[0].status == told[1].status, (method, path)
                assert told[0].data == told[1].data
                allowed = [sorted(each.headers.get("Allow", "").split(", ")) for each in told]
                assert allowed[0] == allowed[1]


def test_a_plain_address_is_not_asked_of_the_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    app = _made()
    app.answers_plainly(PLAIN, "view")
    client = app.test_client()
    assert client.get("/base/Thing/x").status_code == 200
    monkeypatch.setattr(app.url_map, "bind_to_environ", None)
    assert client.get("/base/Thing/x").text == "GET view [] localhost Thing/x"
    with pytest.raises(TypeError):
        client.get("/base/Thing/x", headers={"Host": "another.example"})


def test_only_so_many_hosts_are_remembered() -> None:
    app = _made()
    app.answers_plainly(PLAIN, "view")
    for number in range(3 * HOSTS):
        app.create_url_adapter(app.request_class(EnvironBuilder(headers={"Host": f"h{number}"}).get_environ()))
    assert len(app._hosts) <= HOSTS


def test_there_is_no_session() -> None:
    app = _made()
    app.config["SECRET_KEY"] = "known"
    with app.test_request_context("/base/Thing"):
        assert not session
        with pytest.raises(RuntimeError):
            session["a"] = "b"
