"""Signature Version 4, recomputed from the request as it arrived. Pure."""

import hashlib
import hmac
from urllib.parse import parse_qsl, quote

from holdfast_sandbox.aws.call import Call


def expected(call: Call, secret: str) -> str:
    """The signature that a holder of `secret` would have sent with this call."""
    signature, headers = call.signature, call.request.headers
    stamp = headers.get("X-Amz-Date", "")
    scope = f"{signature.day}/{signature.region}/{signature.service}/aws4_request"
    digest = hashlib.sha256(_canonical(call).encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (signature.day, signature.region, signature.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _canonical(call: Call) -> str:
    request = call.request
    pairs = parse_qsl(request.query_string.decode(), keep_blank_values=True)
    query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(pairs)
    )
    names = call.signature.signed_headers
    headers = "".join(
        f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names
    )
    body = hashlib.sha256(call.body).hexdigest()
    path = quote(request.path, safe="/-_.~")
    return "\n".join((request.method, path, query, headers, ";".join(names), body))
