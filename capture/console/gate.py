"""Who may use the console: the token's link, its cookie, and pages of this very server."""

import hmac
import ipaddress
import secrets

from ..errors import ConfigError

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Gate:
    """Decides about requests; knows no web framework.

    Parameters
    ----------
    host : str
        Loopback address the server listens at.
    port : int

    Attributes
    ----------
    cookie_name : str
        Cookies are not told apart by port, so the name does it.
    cookie : str
        What the token is exchanged for.
    """

    def __init__(self, host: str, port: int) -> None:
        check_loopback(host)
        shown = f"[{host}]" if ":" in host else host
        self._hosts = {f"{shown}:{port}", f"localhost:{port}"}
        self._token = secrets.token_urlsafe(32)
        self.cookie = secrets.token_urlsafe(32)
        self.cookie_name = f"mavfer_console_{port}"
        self.link = f"http://{shown}:{port}/?token={self._token}"

    def admits_token(self, token: str) -> bool:
        """Say whether a link carries the right token."""
        return hmac.compare_digest(token.encode(), self._token.encode())

    def admits(self, host: str | None, cookie: str | None) -> bool:
        """Say whether a request is for this server by name and has the cookie."""
        given = (cookie or "").encode()
        return self.knows_host(host) and hmac.compare_digest(given, self.cookie.encode())

    def knows_host(self, host: str | None) -> bool:
        """Say whether the Host header is ours: another name may lead here, too."""
        return host in self._hosts

    def own_origin(self, origin: str | None, host: str | None) -> bool:
        """Say whether a request comes from a page of this server."""
        return origin is not None and host in self._hosts and origin == f"http://{host}"


def check_loopback(host: str) -> None:
    """Refuse to serve beyond this machine: the page is not encrypted.

    Raises
    ------
    ConfigError
        Not a loopback address.
    """
    try:
        fits = ipaddress.ip_address(host).is_loopback
    except ValueError:
        fits = False
    if not fits:
        raise ConfigError(
            f"the console cannot listen at {host!r:.60}: it is for this machine only",
            remedy="use 127.0.0.1, and from elsewhere: ssh -L 8080:127.0.0.1:PORT this-machine",
        )
