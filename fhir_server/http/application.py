"""The Flask application, without what Flask does at each request and none of ours needs.

May live here: what Flask lets a subclass say of how requests are met. May not know: any route.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, request_tearing_down
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter, Rule

from fhir_server.http.negotiation import Format

if TYPE_CHECKING:
    from flask.sessions import SessionMixin
    from flask.wrappers import Response

HOSTS = 64
"""How many values of Host are remembered as well formed."""


class Asked(Request):
    """A request, and what is noted of it while it is answered.

    `request_id` is what the answer and the log call it; `spoken` the format to answer in, None until it is known;
    `as_it_is` says that the answer is to be left as it was made. Which blueprints it is for is found once, and not by
    each step of Flask's.
    """

    request_id = ""
    spoken: Format | None = None
    as_it_is = False

    @cached_property
    def blueprints(self) -> list[str]:
        """As Flask says it, once the request has been matched."""
        return super().blueprints

    def close(self) -> None:
        """Close the files that came with it, where some were looked for."""
        if "files" in self.__dict__:
            super().close()


class _NoSession(SessionInterface):
    """Flask's sessions are not used: who signs in has one of ours (`smart/sessions.py`)."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> SessionMixin:  # noqa: ARG002 - Flask gives them
        """The one that cannot be written."""
        return self._none

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Nothing is kept."""


class Application(Flask):
    """Flask, asked for less."""

    request_class = Asked

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.session_interface = _NoSession()
        self._plain: tuple[re.Pattern[str], Rule, frozenset[str], list[str]] | None = None
        self._hosts: set[tuple[str, str]] = set()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The view as it is: whether it is a coroutine is not asked at each request, for none is."""
        return func

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """As Flask does it, where anybody is to be told that a request has ended."""
        if self.teardown_request_funcs or request_tearing_down.receivers:
            super().do_teardown_request(exc)

    def answers_plainly(self, paths: str, endpoint: str) -> None:
        """Paths of this form (a regular expression whose first group is the view's `path`) are for one endpoint.

        It must be the one that the routes say, for every method that its rule has: they are not asked. They are of
        OPTIONS, which Flask may answer itself.
        """
        rule = next(self.url_map.iter_rules(endpoint))
        blueprint, dot, _ = endpoint.rpartition(".")
        methods = frozenset(rule.methods or ()) - {"OPTIONS"}
        self._plain = re.compile(paths), rule, methods, [blueprint] if dot else []

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """As Flask does it, but for a request whose endpoint is known by its path: that is matched already.

        A Host that Flask has not accepted before is shown to Flask; so is whoever asks for another protocol.
        """
        if request is None or self._plain is None:
            return super().create_url_adapter(request)
        environ = request.environ
        host = (environ["wsgi.url_scheme"], environ.get("HTTP_HOST", ""))
        form, rule, methods, blueprints = self._plain
        if host in self._hosts and "HTTP_UPGRADE" not in environ and not environ.get("SCRIPT_NAME"):
            found = form.fullmatch(environ.get("PATH_INFO", ""))
            if found is not None and request.method in methods:
                request.url_rule, request.view_args = rule, {"path": found[1]}
                request.blueprints = blueprints  # type: ignore[misc] # ours holds what it was told
                return None
        made = super().create_url_adapter(request)
        if host[1]:
            if len(self._hosts) >= HOSTS:
                self._hosts.clear()
            self._hosts.add(host)
        return made
