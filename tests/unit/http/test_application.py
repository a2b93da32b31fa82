"""What the application answers directly it answers as Flask would have."""

from __future__ import annotations

import pytest
from flask import Blueprint, Response, abort, request
from werkzeug.test import EnvironBuilder

from fhir_server.http.application import HOSTS, Application, Asked

PLAIN = r"/base/([A-Z][a-z]*(?:/[a-z0-9]+)?)"
PATHS = (
    "Thing",
    "Thing/x",
    "Thing/x/y",
    "Teapot",
    "Broken",
    "thing",
    "Thing/",
    "Thing//x",
    "Thing/X",
    "Thing/é",
    "",
    "/",
)
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "DELETE", "BREW")
HOST = ("127.0.0.1", "127.0.0.1:80", "a.example", "no host", "a" * 70 + ".example", "")
MORE: tuple[dict[str, str], ...] = ({}, {"Connection": "Upgrade", "Upgrade": "websocket"})


def _answer(sent: Asked, path: str) -> Response:
    if path == "Teapot":
        abort(418)
    if path == "Broken":
        raise KeyError(path)
    return Response(f"{sent.method} {sent.host} {path} {sent.query_string!r} {sent.get_data()!r}")


def _made(*, direct: bool) -> Application:
    app = Application(__name__, static_folder=None)

    def view(path: str) -> Response:
        return _answer(request._get_current_object(), path)  # type: ignore[attr-defined]

    @app.errorhandler(Exception)
    def failed(cause: Exception) -> tuple[str, int]:
        return f"{type(cause).__name__} {request.method} {request.endpoint} {request.path}", 500

    app.add_url_rule("/base/<path:path>", "view", view, methods=["GET", "HEAD", "POST"])
    if direct:
        app.answers_directly(PLAIN, ("GET", "HEAD", "POST"), _answer)
    return app


@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("host", HOST)
def test_whoever_asks_hears_what_the_view_says(host: str, more: dict[str, str]) -> None:
    slow, quick = _made(direct=False), _made(direct=True)
    for _ in range(2):  # a Host is known the second time
        for method in METHODS:
            for path in PATHS:
                sent = {"method": method, "headers": {"Host": host, **more}, "data": b"body", "query_string": "a=%20"}
                told = [app.test_client().open(f"/base/{path}", **sent) for app in (slow, quick)]
                assert told[0].status == told[1].status, (method, path)
                assert told[0].data == told[1].data
                allowed = [sorted(each.headers.get("Allow", "").split(", ")) for each in told]
                assert allowed[0] == allowed[1]


def test_flask_is_not_asked_about_a_plain_address(monkeypatch: pytest.MonkeyPatch) -> None:
    client = _made(direct=True).test_client()
    assert client.get("/base/Thing/x").status_code == 200
    monkeypatch.setattr("flask.app.Flask.wsgi_app", None)
    assert client.get("/base/Thing/x").text == "GET localhost Thing/x b'' b''"
    for path, headers in (("/base/thing", {}), ("/base/Thing/x", {"Host": "another.example"})):
        with pytest.raises(TypeError):
            client.get(path, headers=headers)


def test_a_hook_of_the_application_is_never_passed_by() -> None:
    for hook in ("before_request", "after_request"):
        app, heard = _made(direct=True), []
        getattr(app, hook)(lambda *of, heard=heard: heard.append(request.path) or (of[0] if of else None))
        for _ in range(3):
            assert app.test_client().get("/base/Thing/x").status_code == 200
        assert heard == ["/base/Thing/x"] * 3


def test_only_so_many_hosts_are_remembered() -> None:
    app = _made(direct=True)
    for number in range(3 * HOSTS):
        app.create_url_adapter(app.request_class(EnvironBuilder(headers={"Host": f"h{number}"}).get_environ()))
    assert len(app._hosts) <= HOSTS


@pytest.mark.parametrize("where", ["error handler", "hook of the blueprint"])
def test_a_failure_in_telling_of_a_failure_is_told_as_flask_tells_it(where: str) -> None:
    told = []
    for direct in (False, True):
        app = Application(__name__, static_folder=None)
        made = Blueprint("made", __name__)

        def view(path: str) -> Response:
            return _answer(request._get_current_object(), path)  # type: ignore[attr-defined]

        made.add_url_rule("/base/<path:path>", "view", view)
        if where == "error handler":
            app.register_error_handler(KeyError, lambda _: 1 / 0)
        else:
            made.after_request(lambda _: 1 / 0)  # type: ignore[arg-type,return-value]
        app.register_error_handler(500, lambda failed: (f"{type(failed.original_exception).__name__}", 500))
        app.register_blueprint(made)
        if direct:
            app.answers_directly(PLAIN, ("GET",), _answer)
        answers = [app.test_client().get("/base/Broken") for _ in range(2)]
        told += [(each.status, each.text) for each in answers]
    heard = "ZeroDivisionError" if where == "error handler" else "KeyError"
    assert told == [("500 INTERNAL SERVER ERROR", heard)] * 4
