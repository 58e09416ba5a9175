#!/usr/bin/env python3
"""HTTP/1.1 by the byte (RFC 9110, 9112): a table of what is sent, and the statuses, header fields and end of the connection
that must follow. What two programs could read in two ways is a 400 and the end of the connection.

tests/http/test_raw.py KVIK. Standard library only."""
import json
import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server  # noqa: E402

J = b'{"content":"hi"}'  # 16 bytes
S = b'{"prompt":"a","stream":true,"max_tokens":  2}'  # 45 bytes
W = b'{"prompt":"a","max_tokens":2}'  # 29 bytes
H = b"Host: x\r\n"
EVIL = b"GET /v1/models HTTP/1.1\r\nHost: evil\r\n\r\n"  # 39 bytes: must never be served as a request of its own


def get(target=b"/health", fields=H, version=b"HTTP/1.1", method=b"GET"):
    return method + b" " + target + b" " + version + b"\r\n" + fields + b"\r\n"


def post(fields, body=J, target=b"/tokenize", host=H):
    return b"POST " + target + b" HTTP/1.1\r\n" + host + fields + b"\r\n" + body


def length(n, more=b""):
    return b"Content-Length: %d\r\n" % n + more


def chunked(body, more=b""):
    return post(b"Transfer-Encoding: chunked\r\n" + more, body)


OPEN, CLOSED = "open", "closed"  # what becomes of the connection

# name, bytes (a list: with pauses between), statuses, the connection after them, what the answer must hold (patterns)
TABLE = [
    # What is right
    ("get", get(), [200], OPEN, [b"Content-Length: 15\r\n", b'{"status":"ok"}', rb"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n"]),
    ("post", post(length(16)), [200], OPEN, [b'"tokens"', b"Content-Type: application/json\r\n"]),
    ("post in pieces", [post(length(16))[i:i + 1] for i in range(len(post(length(16))))], [200], OPEN, []),
    ("length with zeros", post(b"Content-Length: 0016\r\n"), [200], OPEN, []),
    ("white space around values", post(b"Content-Length: \t 16 \t\r\n"), [200], OPEN, []),
    ("no white space before a value", post(b"Content-Length:16\r\n"), [200], OPEN, []),
    ("names in any case", post(b"cOnTeNt-LeNgTh: 16\r\n", host=b"HOST: x\r\n"), [200], OPEN, []),
    ("empty lines before", b"\r\n\r\n" + get(), [200], OPEN, []),
    ("query", get(b"/health?a=1&b=%20"), [200], OPEN, []),
    ("slash at the end", get(b"/health/"), [200], OPEN, []),
    ("slashes at the end of a POST", post(length(16), target=b"/tokenize//"), [200], OPEN, []),
    ("escaped path", get(b"/%68ealth"), [200], OPEN, []),
    ("absolute target", get(b"http://evil:80/health", b"Host: y\r\n"), [200], OPEN, []),
    ("absolute target, https", get(b"HTTPS://[::1]/health?x"), [200], OPEN, []),
    ("absolute target without a path", get(b"http://evil"), [404], OPEN, []),
    ("empty host", get(fields=b"Host:\r\n"), [200], OPEN, []),
    ("host with port", get(fields=b"Host: [::1]:8080\r\n"), [200], OPEN, []),
    ("minor version to come", get(version=b"HTTP/1.7"), [200], OPEN, []),
    ("bytes above 127 in a value", get(fields=H + b"X-Name: J\xc3\xbcrgen \xff\r\n"), [200], OPEN, []),
    ("upgrade is not taken", get(fields=H + b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"), [200], OPEN, []),
    ("connection: close", get(fields=H + b"Connection: close\r\n"), [200], CLOSED, [b"Connection: close\r\n"]),
    ("connection: close among others", get(fields=H + b"Connection: x, Close\r\n"), [200], CLOSED, [b"Connection: close\r\n"]),
    ("request id", get(fields=H + b"X-Request-Id: a-b.c_d:1\r\n"), [200], OPEN, [b"X-Request-Id: a-b.c_d:1\r\n"]),
    ("request id that is no word", get(fields=H + b"X-Request-Id: a b\r\n"), [200], OPEN, [rb"X-Request-Id: [0-9a-f]{16}\r\n"]),
    ("stream", post(length(45), S, b"/v1/completions"), [200], OPEN, [b"Transfer-Encoding: chunked\r\n", rb"data: \[DONE\]\n\n\r\n0\r\n\r\n$"]),
    ("stream, close", post(length(45, b"Connection: close\r\n"), S, b"/v1/completions"), [200], CLOSED, [b"\r\n0\r\n\r\n$"]),
    # Several on one connection
    ("pipelined", get() + post(length(16)) + get() + post(length(16)), [200] * 4, OPEN, []),
    ("pipelined streams", post(length(45), S, b"/v1/completions") * 3, [200] * 3, OPEN, [b"(DONE.*){3}"]),
    ("pipelined 100", get() * 100, [200] * 100, OPEN, []),
    ("nothing after close", get(fields=H + b"Connection: close\r\n") + get(), [200], CLOSED, []),
    ("nothing after an error", b"bad\r\n\r\n" + get(), [400], CLOSED, []),
    ("on after 404", get(b"/nothing") + get(), [404, 200], OPEN, []),
    ("on after a refused POST", post(length(16), target=b"/nothing") + get(), [404, 200], OPEN, []),
    ("on after a malformed body", post(length(3), b"{x}") + get(), [400, 200], OPEN, []),
    # Bodies of those that have none
    ("GET with a body", get(fields=H + length(39)) + EVIL.replace(b"evil", b"live")[:39] + get(), [200, 200], OPEN, []),
    ("GET with a body of a request", get(fields=H + length(39)) + EVIL, [200], OPEN, []),
    ("HEAD", get(method=b"HEAD"), [200], OPEN, [b"Content-Length: 15\r\n", b"\r\n\r\n$"]),
    ("HEAD of a list", get(b"/v1/models", method=b"HEAD"), [200], OPEN, [rb"Content-Length: \d{3}\r\n", b"\r\n\r\n$"]),
    ("HEAD with a body", get(method=b"HEAD", fields=H + length(39)) + EVIL, [200], OPEN, [b"\r\n\r\n$"]),
    ("HEAD with chunks", get(method=b"HEAD", fields=H + b"Transfer-Encoding: chunked\r\n") + b"27\r\n" + EVIL + b"\r\n0\r\n\r\n", [200],
     CLOSED, [b"\r\n\r\n$"]),
    ("HEAD of what is posted", get(b"/tokenize", method=b"HEAD"), [405], OPEN, [b"Allow: POST, OPTIONS\r\n", b"\r\n\r\n$"]),
    ("OPTIONS", get(method=b"OPTIONS"), [204], OPEN, [b"Allow: ", b"\r\n\r\n$"]),
    ("OPTIONS with a body", get(method=b"OPTIONS", fields=H + length(39)) + EVIL, [204], OPEN, []),
    ("OPTIONS *", get(b"*", method=b"OPTIONS"), [204], OPEN, []),
    # Methods and versions
    ("method of another path", get(b"/tokenize"), [405], OPEN, [b"Allow: POST, OPTIONS\r\n", b'"code":405']),
    ("POST to what is got", post(length(2), b"{}", b"/v1/models"), [405], OPEN, [b"Allow: GET, HEAD, OPTIONS\r\n"]),
    ("DELETE", get(method=b"DELETE"), [405], OPEN, [b"Allow: GET, HEAD, OPTIONS\r\n"]),
    ("TRACE", get(method=b"TRACE"), [405], OPEN, []),
    ("DELETE of nothing", get(b"/nothing", method=b"DELETE"), [404], OPEN, []),
    ("a method nobody knows", get(method=b"BREW"), [501], OPEN, [b'"code":501']),
    ("methods have a case", get(method=b"get"), [501], OPEN, []),
    ("CONNECT", b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", [400], CLOSED, []),
    ("HTTP/0.9", b"GET /health\r\n", [400], CLOSED, []),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505], CLOSED, [b'"code":505']),
    ("HTTP/9.9", get(version=b"HTTP/9.9"), [505], CLOSED, []),
    ("no version", get(version=b"HTTX/1.1"), [400], CLOSED, []),
    ("version of three digits", get(version=b"HTTP/1.10"), [400], CLOSED, []),
    ("version in small letters", get(version=b"http/1.1"), [400], CLOSED, []),
    # HTTP/1.0
    ("1.0", get(version=b"HTTP/1.0", fields=b""), [200], CLOSED, [b"Connection: close\r\n"]),
    ("1.0, keep-alive", get(version=b"HTTP/1.0", fields=b"Connection: keep-alive\r\n"), [200], OPEN, [b"Connection: keep-alive\r\n"]),
    ("1.0, whole answer", b"POST /v1/completions HTTP/1.0\r\n" + length(29) + b"\r\n" + W, [200], CLOSED, [b"Content-Length: "]),
    ("1.0, stream", b"POST /v1/completions HTTP/1.0\r\n" + length(45) + b"\r\n" + S, [200], CLOSED, [b"\r\n\r\ndata: ", rb"data: \[DONE\]\n\n$"]),
    ("1.0, stream, keep-alive", b"POST /v1/completions HTTP/1.0\r\nConnection: keep-alive\r\n" + length(45) + b"\r\n" + S, [200], CLOSED,
     [rb"DONE\]\n\n$"]),
    ("1.0 has no chunks", b"POST /tokenize HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400], CLOSED, []),
    # Clients that say nothing more
    ("half-closed, get", [get(), None], [200], CLOSED, []),
    ("half-closed, post", [post(length(16)), None], [200], CLOSED, [b'"tokens"']),
    ("half-closed, whole answer", [post(length(29), W, b"/v1/completions"), None], [200], CLOSED, [b'"usage"']),
    ("half-closed, stream", [post(length(45), S, b"/v1/completions"), None], [200], CLOSED, [b"DONE"]),
    ("half-closed, pipelined", [get() * 5, None], [200] * 5, CLOSED, []),
    ("half a request", [post(length(16))[:-1], None], [400], CLOSED, [b"incomplete"]),
    ("half a head", [b"GET /hea", None], [400], CLOSED, [b"incomplete"]),
    # Lengths
    ("length: space before the colon", post(b"Content-Length : 16\r\n"), [400], CLOSED, []),
    ("length: space before the colon hides a request", post(b"Content-Length : 39\r\n", EVIL), [400], CLOSED, []),
    ("two lengths", post(length(16) + length(3)), [400], CLOSED, [b"two Content-Length"]),
    ("two lengths, the other way", post(length(3) + length(16)), [400], CLOSED, []),
    ("two lengths, equal", post(length(16) + length(16)), [400], CLOSED, []),
    ("a list of lengths", post(b"Content-Length: 16, 16\r\n"), [400], CLOSED, []),
    ("length +16", post(b"Content-Length: +16\r\n"), [400], CLOSED, []),
    ("length -1", post(b"Content-Length: -1\r\n"), [400], CLOSED, []),
    ("length 0x10", post(b"Content-Length: 0x10\r\n"), [400], CLOSED, []),
    ("length 16.0", post(b"Content-Length: 16.0\r\n"), [400], CLOSED, []),
    ("length '1 6'", post(b"Content-Length: 1 6\r\n"), [400], CLOSED, []),
    ("length empty", post(b"Content-Length:\r\n"), [400], CLOSED, []),
    ("length 2^63", post(b"Content-Length: 9223372036854775808\r\n"), [413], CLOSED, [b'"code":413']),
    ("length 2^64 + 16", post(b"Content-Length: 18446744073709551632\r\n"), [413], CLOSED, []),
    ("length above the limit", post(length(99999999), b""), [413], CLOSED, []),
    # Chunks
    ("chunks", chunked(b"4\r\n" + J[:4] + b"\r\n00c\r\n" + J[4:] + b"\r\n0\r\n\r\n"), [200], OPEN, [b'"tokens"']),
    ("chunks, then another", chunked(b"10\r\n" + J + b"\r\n0\r\n\r\n") + get(), [200, 200], OPEN, []),
    ("chunks by the byte", [bytes([b]) for b in chunked(b"A\r\n" + J[:10] + b"\r\n6;x=\"y\"\r\n" + J[10:] + b"\r\n0\r\nX: y\r\n\r\n")], [200], OPEN, []),
    ("chunked in any case", post(b"Transfer-Encoding:\tCHUNKED \r\n", b"10\r\n" + J + b"\r\n0\r\n\r\n"), [200], OPEN, []),
    ("extension and trailers", chunked(b"10;a=b\r\n" + J + b"\r\n0\r\nX: y\r\nContent-Length: 5\r\n\r\n"), [200], OPEN, []),
    ("white space before an extension", chunked(b"10 \t;a\r\n" + J + b"\r\n0\r\n\r\n"), [200], OPEN, []),
    ("no content at all", chunked(b"0\r\n\r\n"), [400], OPEN, [b"no valid JSON"]),
    ("size zz", chunked(b"zz\r\n"), [400], CLOSED, [b"hexadecimal"]),
    ("size -1", chunked(b"-1\r\n" + J), [400], CLOSED, []),
    ("size +10", chunked(b"+10\r\n" + J + b"\r\n0\r\n\r\n"), [400], CLOSED, []),
    ("size 0x10", chunked(b"0x10\r\n" + J + b"\r\n0\r\n\r\n"), [400], CLOSED, []),
    ("size empty", chunked(b"\r\n" + J), [400], CLOSED, []),
    ("size with a space behind", chunked(b"10 \r\n" + J + b"\r\n0\r\n\r\n"), [400], CLOSED, []),
    ("size with a space in front", chunked(b" 10\r\n" + J + b"\r\n0\r\n\r\n"), [400], CLOSED, []),
    ("size 7fffffffffffffff", chunked(b"7fffffffffffffff\r\n" + J), [413], CLOSED, []),
    ("size of 18 digits", chunked(b"ffffffffffffffffff\r\n" + J), [400], CLOSED, []),
    ("sizes whose sum is too large", chunked(b"1\r\n{\r\n7fffffffffffffff\r\n" + J), [413], CLOSED, []),
    ("more than the size", chunked(b"10\r\n" + J + b"XX0\r\n\r\n"), [400], CLOSED, []),
    ("size ends with LF alone", chunked(b"10\n" + J + b"\r\n0\r\n\r\n"), [400], CLOSED, []),
    ("data end with LF alone", chunked(b"10\r\n" + J + b"\n0\r\n\r\n"), [400], CLOSED, []),
    ("a bare CR in an extension", chunked(b"10;a\rb\r\n" + J + b"\r\n0\r\n\r\n"), [400], CLOSED, []),
    ("LF in an extension", chunked(b"10;a\nb\r\n" + J + b"\r\n0\r\n\r\n"), [400], CLOSED, []),
    ("trailer without a colon", chunked(b"10\r\n" + J + b"\r\n0\r\nfoo\r\n\r\n"), [400], CLOSED, []),
    ("trailer that is folded", chunked(b"10\r\n" + J + b"\r\n0\r\nX: y\r\n z\r\n\r\n"), [400], CLOSED, []),
    ("trailers too long", chunked(b"10\r\n" + J + b"\r\n0\r\n" + b"X: y\r\n" * 40000 + b"\r\n"), [431], CLOSED, []),
    ("extensions too long", chunked(b"1;" + b"x" * 40000 + b"\r\n{\r\n"), [431], CLOSED, []),
    # Codings
    ("length and chunks", post(length(4) + b"Transfer-Encoding: chunked\r\n", b"10\r\n" + J + b"\r\n0\r\n\r\n"), [400], CLOSED, []),
    ("coding 'xchunked'", post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), [400], CLOSED, []),
    ("coding gzip", post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), [400], CLOSED, []),
    ("coding identity", post(b"Transfer-Encoding: identity\r\n", J), [400], CLOSED, []),
    ("chunked twice", post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"), [400], CLOSED, []),
    ("two codings", post(b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), [400], CLOSED, []),
    ("coding empty", post(b"Transfer-Encoding:\r\n" + length(16)), [400], CLOSED, []),
    ("coding with a vertical tab", post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"), [400], CLOSED, []),
    # Lines
    ("bare LF", b"POST /tokenize HTTP/1.1\nHost: x\nContent-Length: 16\n\n" + J, [400], CLOSED, [b"CR and LF"]),
    ("one bare LF", b"GET /health HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", [400], CLOSED, []),
    ("bare CR", b"GET /health HTTP/1.1\r\nHost: x\rX: y\r\n\r\n", [400], CLOSED, []),
    ("CR CR LF", b"GET /health HTTP/1.1\r\r\nHost: x\r\n\r\n", [400], CLOSED, []),
    ("folded", get(fields=H + b"X: a\r\n b\r\n"), [400], CLOSED, [b"folded"]),
    ("folded coding", post(b"Transfer-Encoding:\r\n chunked\r\n" + length(16)), [400], CLOSED, []),
    ("folded first field", b"GET /health HTTP/1.1\r\n Host: x\r\n\r\n", [400], CLOSED, []),
    ("no colon", get(fields=H + b"foo\r\n"), [400], CLOSED, []),
    ("no name", get(fields=H + b": foo\r\n"), [400], CLOSED, []),
    ("space in a name", get(fields=H + b"a b: c\r\n"), [400], CLOSED, []),
    ("bytes above 127 in a name", get(fields=H + b"Gr\xc3\xb6\xc3\x9fe: 1\r\n"), [400], CLOSED, []),
    ("NUL in a value", get(fields=H + b"X: a\0b\r\n"), [400], CLOSED, [b"control character"]),
    ("NUL in the target", get(b"/hea\0lth"), [400], CLOSED, []),
    ("DEL in a value", get(fields=H + b"X: \x7f\r\n"), [400], CLOSED, []),
    ("two spaces in the first line", get(b" /health"), [400], CLOSED, []),
    ("space at the end of the first line", get(version=b"HTTP/1.1 "), [400], CLOSED, []),
    ("space in front of the first line", b" " + get(), [400], CLOSED, []),
    ("tab in the first line", b"GET\t/health HTTP/1.1\r\nHost: x\r\n\r\n", [400], CLOSED, []),
    ("space in the target", get(b"/health x"), [400], CLOSED, []),
    ("a fragment", get(b"/health#f"), [400], CLOSED, []),
    ("target without a slash", get(b"health"), [400], CLOSED, []),
    ("target *", get(b"*"), [400], CLOSED, []),
    ("bytes above 127 in the target", get(b"/h\xc3\xa9"), [400], CLOSED, []),
    ("escape of NUL", get(b"/health%00"), [400], CLOSED, []),
    ("half an escape", get(b"/health%4"), [400], CLOSED, []),
    ("escape that is none", get(b"/health%zz"), [400], CLOSED, []),
    ("paths have a case", get(b"/HEALTH"), [404], OPEN, []),
    ("two slashes in front", get(b"//health"), [404], OPEN, []),
    ("dots", get(b"/../../etc/passwd"), [404], OPEN, []),
    ("escaped dots", get(b"/%2e%2e/%2e%2e/etc/passwd"), [404], OPEN, []),
    ("quotes in a path", get(b'/%22%5c%0a"'), [404], OPEN, [b"/[?]{4} here"]),
    ("many empty lines before", b"\r\n" * 9 + get(), [400], CLOSED, []),
    ("binary", bytes(range(256)), [400], CLOSED, []),
    ("TLS hello", bytes.fromhex("16030100a5010000a10303") + b"\0" * 160, [400], CLOSED, []),
    ("no request at all", b"hello, is anybody there? this is no request of HTTP", [400], CLOSED, []),
    # Hosts
    ("no host", b"GET /health HTTP/1.1\r\n\r\n", [400], CLOSED, [b"Host"]),
    ("two hosts", get(fields=H + b"Host: y\r\n"), [400], CLOSED, []),
    ("two equal hosts", get(fields=H + H), [400], CLOSED, []),
    ("host with a path", get(fields=b"Host: x/y\r\n"), [400], CLOSED, []),
    ("host with a user", get(fields=b"Host: a@x\r\n"), [400], CLOSED, []),
    ("two hosts in one field", get(fields=b"Host: x y\r\n"), [400], CLOSED, []),
    ("absolute target with a user", get(b"http://a@evil/health"), [400], CLOSED, []),
    ("absolute target without a host", get(b"http:///health"), [400], CLOSED, []),
    ("absolute target without the field", b"GET http://evil/health HTTP/1.1\r\n\r\n", [400], CLOSED, []),
    # Too much
    ("head of 70 kB", get(fields=H + b"X: " + b"a" * 70000 + b"\r\n"), [431], CLOSED, []),
    ("10000 fields", get(fields=H + b"X: a\r\n" * 10000), [431], CLOSED, []),
    ("target of 60 kB", get(b"/" + b"a" * 60000), [414], CLOSED, [b'"code":414']),
    ("target of 8000 bytes", get(b"/" + b"a" * 8000), [404], OPEN, []),
    ("a key twice", get(fields=H + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"), [400], CLOSED, []),
    # Expectations
    ("expect", [post(length(16, b"Expect: 100-continue\r\n"), b""), J], [100, 200], OPEN, [b'"tokens"']),
    ("expect, without waiting", post(length(16, b"Expect: 100-Continue\r\n")), [200], OPEN, []),
    ("expect, too large", post(length(99999999, b"Expect: 100-continue\r\n"), b""), [413], CLOSED, []),
    ("expect, nothing there", post(length(16, b"Expect: 100-continue\r\n"), b"", b"/nothing"), [404], CLOSED, []),
    ("expect, no body", get(fields=H + b"Expect: 100-continue\r\n"), [200], CLOSED, []),
    ("expect something else", post(length(16, b"Expect: foo\r\n")), [417], CLOSED, []),
    ("expect in HTTP/1.0", b"POST /tokenize HTTP/1.0\r\nExpect: 100-continue\r\n" + length(16) + b"\r\n" + J, [200], CLOSED, []),
]


def talk(port, data, wait=8):
    """Everything that comes, and whether the other side closed. Of several pieces each goes out by itself; None: nothing more."""
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.settimeout(wait)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pieces = data if isinstance(data, list) else [data]
        try:
            for i, piece in enumerate(pieces):
                if i:
                    time.sleep(0.05 if len(pieces) < 4 else 0.001)
                if piece is None:
                    s.shutdown(socket.SHUT_WR)
                else:
                    s.sendall(piece)
        except OSError:
            pass  # it was refused already
        return read_all(s)


def statuses(out):
    return [int(x) for x in re.findall(rb"HTTP/1\.1 (\d{3}) [^\r]+\r\n", out)]


def read_all(s):
    """Until the other side closes, or has been silent for a while after an answer."""
    out = b""
    try:
        while True:
            piece = s.recv(65536)
            if not piece:
                return out, CLOSED
            out += piece
            s.settimeout(0.4)
    except TimeoutError:
        return out, OPEN
    except ConnectionError:
        return out, "reset"


# The last request of a connection that must still be open: answered behind everything else, it ends it.
PROBE = get(fields=H + b"X-Request-Id: the-end\r\nConnection: close\r\n")


def talk_and_probe(port, data):
    """As talk, of a connection that must stay open: open, if behind all answers comes that of one more request."""
    out, ended = talk(port, (data if isinstance(data, list) else [data]) + [PROBE])
    at = out.rfind(b"HTTP/1.1 ", 0, max(out.find(b"X-Request-Id: the-end\r\n"), 0))
    if ended != CLOSED or at < 0 or not out.endswith(b'{"status":"ok"}'):
        return out, ended
    return out[:at], OPEN


def fault(port, data, want, end, holds):
    out, ended = talk_and_probe(port, data) if end == OPEN else talk(port, data)
    if statuses(out) != want:
        return f"statuses {statuses(out)}, not {want}: {out[:300]}"
    if ended != end:
        return f"the connection is {ended}, not {end}: {out[:300]}"
    if want[-1] >= 400 and b"\r\n\r\n{" in out:
        body = json.loads(out.split(b"\r\n\r\n")[-1])["error"]
        if body["code"] != want[-1] or not body["request_id"] or not body["message"]:
            return f"error {body}"
    for x in holds:
        if not re.search(x, out, re.DOTALL):
            return f"no {x} in {out[:600]}"
    return None


def check_cors(kvik):
    s = server.Server(kvik, "--cors", "https://page.example", "--quiet")
    ask = b"OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: x\r\nOrigin: https://page.example\r\nAccess-Control-Request-Method: POST\r\n"
    names = b"authorization,content-type,x-stainless-arch,x-stainless-retry-count,x-anything-else"
    out, _ = talk(s.port, ask + b"Access-Control-Request-Headers: " + names + b"\r\n\r\n")
    assert statuses(out) == [204] and b"Access-Control-Allow-Headers: " + names + b"\r\n" in out, out
    assert b"Access-Control-Allow-Origin: https://page.example\r\n" in out and b"POST" in out, out
    out, _ = talk(s.port, ask + b"Access-Control-Request-Headers: a: b\r\n\r\n")  # not names: not sent back
    assert b"a: b" not in out, out
    out, _ = talk(s.port, get(b"/nothing"))
    assert b"Access-Control-Allow-Origin: https://page.example\r\n" in out, out
    assert s.stop() == 0


def main():
    kvik = sys.argv[1]
    s = server.Server(kvik)
    names = [x[0] for x in TABLE]
    assert len(set(names)) == len(names), "a name twice"
    faults = [f"{name}: {f}" for name, *case in TABLE if (f := fault(s.port, *case))]
    # Errors of the parser are counted and in the log, with the id that the client got.
    before = s.figure('kvik_http_responses_total{code="4xx"}')
    out, _ = talk(s.port, b"GET /health HTTP/1.1\r\nContent-Length : 5\r\n\r\n")
    given = json.loads(out.split(b"\r\n\r\n")[1])["error"]["request_id"]
    assert s.figure('kvik_http_responses_total{code="4xx"}') == before + 1
    assert s.stop() == 0
    lines = [x for x in s.log() if x.get("id") == given]
    assert len(lines) == 1 and lines[0]["status"] == 400, lines
    check_cors(kvik)
    print(f"{len(TABLE)} cases")
    for f in faults:
        print("FAULT", f)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
