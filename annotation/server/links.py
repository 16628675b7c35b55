"""Links that open the server for somebody."""


def link_of(url: str, token: str) -> str:
    """Return the link with a token: behind ``#``, so that no server or proxy ever logs it."""
    return f"{url}/start#{token}"
