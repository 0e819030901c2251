"""Answers the requests of machines to 169.254.169.254: who asks, may it, and what it gets.

request -> guest by source address -> NoCloud seed, without a token
                                   -> token (PUT), refused behind a forwarder
                                   -> EC2 tree, with a token where the instance requires one
"""

import re
from collections.abc import Callable, Container

from holdfast_sandbox.metadata import nocloud, tokens, tree
from holdfast_sandbox.metadata.guest import FindGuest, Guest
from holdfast_sandbox.metadata.identity import Signer
from holdfast_sandbox.ports import MetadataAnswer, MetadataRequest

TOKEN = "x-aws-ec2-metadata-token"
TOKEN_SECONDS = "x-aws-ec2-metadata-token-ttl-seconds"
TOKEN_PATH = "/latest/api/token"
ANY_DISTANCE = 64  # only the token's answer is bound to the hop limit, as on EC2
_VERSION = re.compile(r"latest|20\d\d-\d\d-\d\d")


class Metadata:
    """The service itself; called by the fabric's server threads, holds no state of its own.

    find      the machine at a source address; None: the request is answered 404 and reported
    stranger  told of each request from an address that is nobody's
    silent    ids of machines that get no answer but 503, by a fault; read at each request
    """

    def __init__(
        self,
        find: FindGuest,
        signer: Signer,
        given: tokens.Tokens,
        stranger: Callable[[MetadataRequest], None],
        silent: Container[str] = frozenset(),
    ) -> None:
        self._find = find
        self._signer = signer
        self._tokens = given
        self._stranger = stranger
        self._silent = silent

    def __call__(self, request: MetadataRequest) -> MetadataAnswer:
        """Answer one request."""
        guest = self._find(request.network, request.source)
        if guest is None:
            self._stranger(request)
            return _text(404, "no machine at this address")
        if guest.id in self._silent:
            return _text(503, "service unavailable", hops=1)
        path = request.path.partition("?")[0]
        if path.startswith(nocloud.PREFIX):
            return _seed(guest, request.method, path.removeprefix(nocloud.PREFIX))
        if not guest.endpoint_enabled:
            return _text(403, "metadata is switched off for this instance")
        if request.method == "PUT":
            return self._token(guest, path, request)
        return self._get(guest, path, request)

    def _get(self, guest: Guest, path: str, request: MetadataRequest) -> MetadataAnswer:
        if request.method not in {"GET", "HEAD"}:
            return _text(405, "method not allowed")
        if not self._may_read(guest, request):
            return _text(401, "unauthorized")
        version, _, rest = path.lstrip("/").partition("/")
        if not version:
            return _text(200, "latest")
        if not _VERSION.fullmatch(version):
            return _text(404, "not found")
        return self._read(guest, rest.rstrip("/"))

    def _token(self, guest: Guest, path: str, request: MetadataRequest) -> MetadataAnswer:
        """PUT: a token, unless a forwarder stands between or the time to live is wrong."""
        if path != TOKEN_PATH:
            return _text(405, "method not allowed", hops=guest.hop_limit)
        if "x-forwarded-for" in request.headers:
            return _text(403, "forwarded requests get no token", hops=guest.hop_limit)
        seconds = tokens.seconds_asked(request.headers.get(TOKEN_SECONDS))
        if seconds is None:
            return _text(400, f"{TOKEN_SECONDS} must be 1 to {tokens.LONGEST_SECONDS}")
        answer = {"content-type": "text/plain", TOKEN_SECONDS: str(seconds)}
        token = self._tokens.give(guest.id, seconds).encode()
        return MetadataAnswer(200, token, answer, hops=guest.hop_limit)

    def _may_read(self, guest: Guest, request: MetadataRequest) -> bool:
        token = request.headers.get(TOKEN)
        if token is None:
            return not guest.tokens_required
        return self._tokens.holds(guest.id, token)

    def _read(self, guest: Guest, rest: str) -> MetadataAnswer:
        top, _, below = rest.partition("/")
        found: str | bytes | None
        if top == "user-data":
            found = guest.user_data if not below else None
        elif top == "meta-data":
            found = tree.read(guest, below)
        elif top == "dynamic":
            found = self._dynamic(guest, below)
        else:
            found = None if top else _top(guest)
        if found is None:
            return _text(404, "not found")
        return _text(200, found)

    def _dynamic(self, guest: Guest, below: str) -> str | bytes | None:
        folder, _, name = below.partition("/")
        if not folder:
            return "instance-identity/"
        if folder != "instance-identity":
            return None
        if name in {"rsa2048", "pkcs7"}:
            return self._signer.signed_message(guest.document)
        if name == "signature":
            return self._signer.signature(guest.document)
        plain: dict[str, str | bytes] = {
            "": "document\npkcs7\nrsa2048\nsignature",
            "document": guest.document,
        }
        return plain.get(name)


def _top(guest: Guest) -> str:
    return "\n".join(["dynamic", "meta-data", *(["user-data"] if guest.user_data else [])])


def _seed(guest: Guest, method: str, name: str) -> MetadataAnswer:
    found = nocloud.read(guest, name) if method in {"GET", "HEAD"} else None
    if found is None:
        return _text(404, "not found", hops=1)
    return MetadataAnswer(200, found, {"content-type": "text/plain"}, hops=1)


def _text(status: int, body: str | bytes, hops: int = ANY_DISTANCE) -> MetadataAnswer:
    data = body.encode() if isinstance(body, str) else body
    kind = {"content-type": "application/octet-stream" if isinstance(body, bytes) else "text/plain"}
    return MetadataAnswer(status, data, kind, hops)
