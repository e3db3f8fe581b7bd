"""What stands before every request: right host, right origin, the token, a body of bounded size and time.

The page listens on 127.0.0.1, which any page in the user's browser can reach. So a request must carry the token of
the link, must name this machine as its host (a foreign name that resolves here is DNS rebinding), and must not come
from another page. The pages that are sent may load nothing from anywhere else and run no inline script.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
IMPORT_PATH = "/api/decisions/import"
MARK_PATH = "/mark"
LARGEST_BODY_BYTES = 256 * 1024
LARGEST_IMPORT_BYTES = 64 * 1024 * 1024
SLOWEST_BODY_SECONDS = 30.0

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class _Refused(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        self.response = JSONResponse({"detail": sentence}, status)


class Guard:
    """ASGI middleware around the whole application. A ticket opens the door once, in place of the token."""

    def __init__(self, app: ASGIApp, *, token: str, tickets: set[str], hosts: Collection[str] = LOCAL_HOSTS) -> None:
        self._app = app
        self._token = token
        self._tickets = tickets
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application's answer with the headers above, or a refusal in one sentence."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            entrance = self._checked(scope)
            if entrance is not None:
                await entrance(scope, receive, send_with_headers)
                return
            receive = await _whole_body(scope, receive)
        except _Refused as refused:
            await refused.response(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _checked(self, scope: Scope) -> Response | None:
        """None where the request may go on; a redirect where it came by the link. Raises _Refused."""
        headers = Headers(scope=scope)
        self._check_host(headers)
        bearer = self._is_token(headers.get("authorization", "").removeprefix("Bearer "))
        _check_origin(scope, headers, trusted=bearer)
        cookie = f"videotcav-review-{headers['host'].rpartition(':')[2]}"
        known = bearer or self._is_token(cookie_parser(headers.get("cookie", "")).get(cookie, ""))
        offered = QueryParams(scope["query_string"]).get("token")
        if scope["path"] in {"/", MARK_PATH} and scope["method"] == "GET" and offered is not None:
            if not known and not self._is_token(offered) and not self._is_ticket(offered):
                raise _Refused(401, "The token in this link is not valid: use the link of the running review.")
            entrance = RedirectResponse(scope["path"], 303)  # so that the token stays in no history, log or referrer
            if not known:
                entrance.set_cookie(cookie, self._token, httponly=True, samesite="lax", path="/")
            return entrance
        if not known:
            raise _Refused(401, "Open the link that this review gave when it started: it carries the token.")
        return None

    def _check_host(self, headers: Headers) -> None:
        named = headers.getlist("host")
        if len(named) != 1:
            raise _Refused(400, "The request must name one host.")
        host, colon, port = named[0].rpartition(":")
        if not colon or not port.isdigit():
            host = named[0]
        if host.lower() not in self._hosts:
            raise _Refused(403, "This review answers only to the address of this machine, as in its link.")

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())

    def _is_ticket(self, text: str) -> bool:
        if text not in self._tickets:
            return False
        self._tickets.discard(text)
        return True


def _check_origin(scope: Scope, headers: Headers, *, trusted: bool) -> None:
    """Raises _Refused for a request that another page makes. A script that knows the token sends no origin."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    opened_by_person = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
    same = f"{scope['scheme']}://{headers['host']}"
    if origin not in (None, same) or (site not in (None, "same-origin", "none") and not opened_by_person):
        raise _Refused(403, "The request comes from another page, so it is refused.")
    if scope["method"] not in ("GET", "HEAD") and origin is None and site is None and not trusted:
        raise _Refused(403, "The request does not say which page it comes from, so it is refused.")


async def _whole_body(scope: Scope, receive: Receive) -> Receive:
    """A receive that hands out the whole body, which is within the limits. Raises _Refused."""
    most = LARGEST_IMPORT_BYTES if scope["path"] == IMPORT_PATH else LARGEST_BODY_BYTES
    too_large = _Refused(413, f"The request is larger than {most // 1024} KiB: send it in parts.")
    declared = Headers(scope=scope).get("content-length", "0")
    if not declared.isdigit() or int(declared) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_BODY_SECONDS):
            more = True
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > most:
                    raise too_large
    except TimeoutError:
        raise _Refused(408, f"The request took longer than {SLOWEST_BODY_SECONDS:.0f} s to arrive.") from None
    first = True

    async def replay() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": bytes(body), "more_body": False}
        return await receive()

    return replay
