"""A sandbox answers this machine only, by its own names, and says on every page what it is."""

import pytest
from flask import Flask, Response

from fhir_server.sandbox.guard import guard


@pytest.fixture
def client():
    app = Flask(__name__)
    guard(app)
    app.add_url_rule(
        "/page", endpoint="page", view_func=lambda: "<!doctype html><html><body class='x'><h1>Été</h1></body></html>"
    )
    app.add_url_rule("/bare", endpoint="bare", view_func=lambda: "<p>no body element</p>")
    app.add_url_rule(
        "/json", endpoint="json", view_func=lambda: Response('{"a": "<body>"}', mimetype="application/json")
    )
    return app.test_client()


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "localhost:1", "[::1]:8080", "127.8.0.1"])
def test_names_of_this_machine_are_answered(client, host):
    assert client.get("/json", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "10.0.0.1", "[", ""]
)
def test_another_name_is_refused_so_that_a_rebound_one_reaches_nothing(client, host):
    assert client.get("/json", headers={"Host": host}).status_code in (400, 421)


def test_another_machine_is_refused(client):
    assert client.get("/json", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 403


def test_every_page_says_that_it_is_a_sandbox(client):
    page = client.get("/page")
    assert '<body class=\'x\'><aside aria-label="Bac à sable" class="sandbox"><strong>Bac à sable' in page.text
    assert page.text.endswith("<h1>Été</h1></body></html>")
    assert int(page.headers["Content-Length"]) == len(page.data)
    assert client.get("/bare").text.startswith("<aside ")


def test_no_page_of_a_sandbox_may_be_framed_by_another(client):
    """SMART-A15: nobody is led to press a button of the identity provider without seeing it."""
    assert "DENY" == client.get("/page").headers["X-Frame-Options"]


def test_what_is_no_page_stays_as_it_is(client):
    assert client.get("/json").data == b'{"a": "<body>"}'


def test_a_page_of_the_web_cannot_move_anything_in_the_sandbox(client):
    client.application.add_url_rule("/sandbox/reset", endpoint="reset", view_func=lambda: "{}", methods=["POST"])
    assert client.post("/sandbox/reset", headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.post("/sandbox/reset", headers={"Origin": "null"}).status_code == 403
    assert client.post("/sandbox/reset", headers={"Origin": "http://localhost:3000"}).status_code == 200
    assert client.post("/sandbox/reset").status_code == 200
