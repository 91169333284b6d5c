"""Requests that two servers may read differently, each one request with another hidden in it (requirements S34).

What is hidden asks for ``/healthz``: nothing else in these tests does so through the proxy, and its answer is known.
"""

HIDDEN = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
_HOST = "Host: localhost\r\n"
_END = "0\r\n\r\n"
_BOTH = f"Content-Length: {len(_END + HIDDEN)}"


def _post(headers: str, body: str) -> str:
    return f"POST /connexion HTTP/1.1\r\n{_HOST}{headers}\r\n\r\n{body}"


def _get(headers: str = "", target: str = "/connexion", method: str = "GET", version: str = "HTTP/1.1") -> str:
    return f"{method} {target} {version}\r\n{_HOST}{headers}\r\n"


_ENCODINGS = {
    "plain": "Transfer-Encoding: chunked",
    "unknown": "Transfer-Encoding: xchunked",
    "space before the colon": "Transfer-Encoding : chunked",
    "tab": "Transfer-Encoding:\tchunked",
    "vertical tab": "Transfer-Encoding: \x0bchunked",
    "twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "list": "Transfer-Encoding: identity, chunked",
    "list the other way": "Transfer-Encoding: chunked, identity",
    "folded": "Transfer-Encoding:\r\n chunked",
    "capitals": "transfer-encoding: cHuNkEd",
    "NUL": "Transfer-Encoding: chunked\0",
    "leading space": " Transfer-Encoding: chunked",
    "after a bare LF": "X: y\nTransfer-Encoding: chunked",
    "after a bare CR": "X: y\rTransfer-Encoding: chunked",
    "quoted": 'Transfer-Encoding: "chunked"',
}
_LENGTHS = {
    "twice, 0 first": f"Content-Length: 0\r\nContent-Length: {len(HIDDEN)}",
    "twice, 0 last": f"Content-Length: {len(HIDDEN)}\r\nContent-Length: 0",
    "list": f"Content-Length: 0, {len(HIDDEN)}",
    "plus": "Content-Length: +0",
    "negative": "Content-Length: -1",
    "hexadecimal": "Content-Length: 0x0",
    "space before the colon": "Content-Length : 0",
    "Arabic digit": "Content-Length: ٠",
    "beyond": "Content-Length: 99999999999999999999",
    "empty": "Content-Length: ",
}
_PIECES = {
    "TE.CL": ("Content-Length: 4\r\nTransfer-Encoding: chunked", f"{len(HIDDEN):x}\r\n{HIDDEN}\r\n{_END}"),
    "extension with a bare LF": ("Transfer-Encoding: chunked", f"0;a=\n\r\n\r\n{HIDDEN}"),
    "ends with bare LF": ("Transfer-Encoding: chunked", f"0\n\n{HIDDEN}"),
    "negative": ("Transfer-Encoding: chunked", f"-1\r\n\r\n{HIDDEN}"),
    "0x0": ("Transfer-Encoding: chunked", f"0x0\r\n\r\n{HIDDEN}"),
    "length in the trailer": ("Transfer-Encoding: chunked", f"0\r\nContent-Length: 50\r\n\r\n{HIDDEN}"),
}
#: Whatever is made of these, it is at most one answer, and the hidden request is none.
SMUGGLED = {
    **{f"CL.TE, {name}": _post(f"{_BOTH}\r\n{line}", _END + HIDDEN) for name, line in _ENCODINGS.items()},
    **{f"length, {name}": _post(line, HIDDEN) for name, line in _LENGTHS.items()},
    **{f"pieces, {name}": _post(*parts) for name, parts in _PIECES.items()},
    "body of a GET": _get(f"Content-Length: {len(HIDDEN)}\r\n") + HIDDEN,
    "length said to be of the connection": _post(
        f"Connection: Content-Length\r\nContent-Length: {len(HIDDEN)}", HIDDEN
    ),
    "bare CR": _get("X: a\rGET /healthz HTTP/1.1\r\n"),
    "bare CR in the line": _get(target="/connexion\rX"),
    "encoded line ends": _get(target="/connexion%0d%0a%0d%0aGET%20/healthz%20HTTP/1.1%0d%0a"),
    "absolute form": _get(target="http://evil.example/healthz"),
    "absolute form with a name before": _get(target="http://localhost@evil.example/healthz"),
    "CONNECT": _get(target="evil.example:443", method="CONNECT"),
    "HTTP/2 in plain": _get(
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
    ),
}
#: These are refused, or not answered at all.
REFUSED = {
    "TRACE": _get(method="TRACE"),
    "unknown method": _get(method="FOO"),
    "small letters": _get(method="get"),
    "control character": _get(method="G\x01T"),
    "long header": _get(f"X: {'a' * 300_000}\r\n"),
    "many headers": _get("".join(f"X-{number}: a\r\n" for number in range(20_000))),
    "long line": _get(target=f"/{'a' * 300_000}"),
    "HTTP/0.9": "GET /\r\n",
    "HTTP/1.1 without a host": "GET / HTTP/1.1\r\n\r\n",
    "two hosts": "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "NUL in a header": _get("X: a\0b\r\n"),
    "NUL in the path": _get(target="/\0"),
    "HTTP/9.9": _get(version="HTTP/9.9"),
}
