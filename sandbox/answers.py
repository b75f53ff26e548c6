"""What an HTTP answer of the Graph API carries: Meta's headers, errors, and the outage page."""

from typing import Final

from sandbox.config import AnswerFault

JSON: Final = b"application/json; charset=UTF-8"
HTML: Final = b"text/html; charset=utf-8"
OUTAGE_PAGE: Final = (
    b"<!DOCTYPE html>\n<html><head><title>Facebook | Error</title></head>"
    b"<body><h1>Sorry, something went wrong.</h1></body></html>"
)
NEWEST_VERSION: Final = "v26.0"
_REASONS: Final = {
    200: b"OK",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    413: b"Content Too Large",
    429: b"Too Many Requests",
    500: b"Internal Server Error",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
}
_CODE_OF_FAULT: Final = {
    AnswerFault.HTTP_500_ACCEPTED: 131000,
    AnswerFault.HTTP_500_UNACCEPTED: 131000,
    AnswerFault.HTTP_503_UNACCEPTED: 131016,
}

Headers = list[tuple[bytes, bytes]]


def error_code_of(fault: AnswerFault) -> int | None:
    """The code of the 5xx answer that a fault stands for; None for other kinds of fault."""
    return _CODE_OF_FAULT.get(fault)


def meta_headers(
    version: str, trace_id: str, waba_id: str | None, *, regain_minutes: int = 0
) -> Headers:
    """The headers of a JSON answer; `regain_minutes` above zero means an exhausted allowance."""
    trace = trace_id.encode()
    headers = [
        (b"content-type", JSON),
        (b"facebook-api-version", version.encode()),
        (b"x-fb-trace-id", trace),
        (b"x-fb-request-id", trace),
        (b"x-fb-rev", b"1040000001"),
        (b"x-fb-debug", trace),
    ]
    if waba_id is not None:
        headers.append((b"x-business-use-case-usage", usage(waba_id, regain_minutes)))
    return headers


def usage(waba_id: str, regain_minutes: int = 0) -> bytes:
    """The value of x-business-use-case-usage: percentages used, minutes until access returns."""
    percent = b"100" if regain_minutes else b"1"
    return (
        b'{"%s":[{"type":"whatsapp","call_count":%s,"total_cputime":1,"total_time":1,'
        b'"estimated_time_to_regain_access":%d}]}' % (waba_id.encode(), percent, regain_minutes)
    )


def response_bytes(status: int, headers: Headers, body: bytes) -> bytes:
    """A whole HTTP/1.1 response that keeps its connection."""
    lines = [b"HTTP/1.1 %d %s" % (status, _REASONS.get(status, b""))]
    lines += [b"%s: %s" % header for header in headers]
    lines.append(b"content-length: %d\r\n\r\n" % len(body))
    return b"\r\n".join(lines) + body
