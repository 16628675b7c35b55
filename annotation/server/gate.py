"""Who may use the server by name and by page; who somebody is, the database knows."""

import time
from collections import deque
from urllib.parse import urlsplit

from capture.console.gate import SECURITY_HEADERS as CONSOLE_HEADERS

from ..errors import AnnotationError

SECURITY_HEADERS = {
    **CONSOLE_HEADERS,
    "Content-Security-Policy": CONSOLE_HEADERS["Content-Security-Policy"] + "; media-src 'self'",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), gamepad=(self)",
}


class Gate:
    """Knows the server's own name.

    Parameters
    ----------
    url : str
        What people type: ``http://127.0.0.1:8700`` or ``https://rate.lab.example``.

    Attributes
    ----------
    url : str
        Without a slash at the end.
    secure : bool
    cookie_name : str
        Cookies are not told apart by port, so the name does it. Under TLS no other host and no
        unencrypted page can set one of this name.

    Raises
    ------
    AnnotationError
        Not an address of a server, or one that sends faces in clear text.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port, host = parts.port, parts.hostname
        except ValueError:
            parts, port, host = urlsplit(""), None, None
        if parts.scheme not in ("http", "https") or not host or parts.path.strip("/"):
            raise AnnotationError(
                f"{url!r:.100} is not the address of a server",
                remedy="write https://rate.lab.example, without a path",
            )
        local = host in ("127.0.0.1", "localhost", "::1")
        if parts.scheme == "http" and not local:
            raise AnnotationError(
                f"{url} would show faces to everybody on the network",
                remedy="use https, docs/how-to/annotation-server.md says how",
            )
        self.url = f"{parts.scheme}://{parts.netloc}"
        self.secure = parts.scheme == "https"
        self.cookie_name = "__Host-mavfer" if self.secure else f"mavfer_annotate_{port or 80}"
        self._hosts = {parts.netloc}
        if not self.secure:
            self._hosts |= {f"localhost:{port}", f"127.0.0.1:{port}"}

    def knows_host(self, host: str | None) -> bool:
        """Say whether the Host header is ours: another name may lead here, too."""
        return host in self._hosts

    def own_origin(self, origin: str | None, host: str | None) -> bool:
        """Say whether a request comes from a page of this server."""
        scheme = "https" if self.secure else "http"
        return origin is not None and self.knows_host(host) and origin == f"{scheme}://{host}"


class Throttle:
    """Counts failures and says when there were too many lately.

    Parameters
    ----------
    most : int
        Failures within `period_s` that are put up with.
    period_s : float
    """

    def __init__(self, most: int, period_s: float) -> None:
        self._most, self._period_s = most, period_s
        self._failed_s: deque[float] = deque(maxlen=most)

    def blocked(self) -> bool:
        """Say whether the next attempt must wait."""
        oldest_s = self._failed_s[0] if len(self._failed_s) == self._most else float("-inf")
        return time.monotonic() - oldest_s < self._period_s

    def failed(self) -> None:
        """Count a failure."""
        self._failed_s.append(time.monotonic())
