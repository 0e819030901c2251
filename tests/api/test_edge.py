"""What every request passes: tokens, limits, the error shape, headers, no internals."""

import json
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs
from tests.api.platform import Platform, a_credentials, story

GUARDED = [
    ("GET", "/v1/regions"),
    ("GET", "/v1/auth/tokens"),
    ("GET", "/v1/installation"),
    ("POST", "/v1/installation/release"),
    ("GET", "/v1/credentials"),
    ("POST", "/v1/credentials"),
    ("GET", "/v1/credentials/x"),
    ("DELETE", "/v1/credentials/x"),
    ("GET", "/v1/credentials/x/check"),
    ("POST", "/v1/credentials/x/check"),
    ("PUT", "/v1/credentials/x/secret"),
    ("GET", "/v1/kubernetes/clusters"),
    ("POST", "/v1/kubernetes/clusters"),
    ("POST", "/v1/kubernetes/clusters:plan"),
    ("GET", "/v1/kubernetes/clusters/x"),
    ("DELETE", "/v1/kubernetes/clusters/x"),
    ("GET", "/v1/kubernetes/clusters/x/kubeconfig"),
    ("GET", "/v1/kubernetes/clusters/x/feedbackevents"),
    ("GET", "/v1/kubernetes/clusters/x/events"),
    ("GET", "/v1/kubernetes/clusters/x/events/stream"),
    ("GET", "/v1/kubernetes/clusters/x/plan"),
    ("GET", "/v1/kubernetes/clusters/x/resources"),
    ("GET", "/v1/kubernetes/clusters/x/deletion-certificate"),
    ("POST", "/v1/kubernetes/clusters/x/trigger-reconcile"),
    ("POST", "/v1/kubernetes/clusters/x/breaker-release"),
    ("GET", "/v1/kubernetes/clusters/x/nodes"),
    ("POST", "/v1/kubernetes/clusters/x/nodes"),
    ("POST", "/v1/kubernetes/clusters/x/nodes:plan"),
    ("POST", "/v1/kubernetes/clusters/x/nodes:update"),
    ("POST", "/v1/kubernetes/clusters/x/nodes:replace"),
    ("GET", "/v1/kubernetes/clusters/x/nodes/y"),
    ("DELETE", "/v1/kubernetes/clusters/x/nodes/y"),
]


def _is_refusal(answer: httpx2.Response, status: int) -> bool:
    body = answer.json()
    return (
        answer.status_code == status
        and answer.headers["content-type"] == "application/json"
        and isinstance(body["message"], str)
        and isinstance(body["fieldViolations"], list)
        and "detail" not in body
    )


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "hf_wrong"}, {"X-API-Key": "x" * 5000}])
@story
async def test_a3_without_a_valid_token_every_path_is_401(
    platform: Platform, method: str, path: str, headers: dict[str, str]
) -> None:
    del platform.http.headers["X-API-Key"]
    assert _is_refusal(await platform.http.request(method, path, headers=headers), 401)


@story
async def test_every_guarded_path_is_in_the_table_above(platform: Platform) -> None:
    document = (await platform.get("/v1/spec/openapi.json")).json()
    guarded = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if operation.get("security")
    }
    named = {
        (method, path.replace("/x", "/{id}").replace("/y", "/{node}")) for method, path in GUARDED
    }
    renamed = (("credentials_id", "id"), ("cluster_id", "id"), ("node_id", "node"))
    shown = set()
    for method, path in guarded:
        for old, new in renamed:
            path = path.replace(f"{{{old}}}", f"{{{new}}}")  # noqa: PLW2901
        shown.add((method, path))
    assert shown - {("GET", "/metrics")} == named


@story
async def test_a_bearer_token_is_as_good(platform: Platform) -> None:
    del platform.http.headers["X-API-Key"]
    answer = await platform.get(
        "/v1/regions", headers={"Authorization": f"Bearer {platform.token}"}
    )
    assert answer.status_code == 200


@story
async def test_a3_a_revoked_token_is_401(platform: Platform) -> None:
    token = (await platform.get("/v1/auth/tokens")).json()["items"][0]
    async with platform.store.writing() as tx:
        await platform.store.tokens.revoke(tx, token["id"])
    assert _is_refusal(await platform.get("/v1/regions"), 401)


@story
async def test_tokens_are_listed_without_their_secret(platform: Platform) -> None:
    answer = await platform.get("/v1/auth/tokens")
    (token,) = answer.json()["items"]
    assert token["active"] is True
    assert platform.token not in answer.text
    assert "token" not in token


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/", 404),
        ("PATCH", "/v1/regions", 405),
        ("GET", "/v1/kubernetes/clusters/not-a-uuid", 404),
        ("GET", "/v1/kubernetes/clusters/00000000-0000-4000-8000-000000000000", 404),
        ("DELETE", "/v1/kubernetes/clusters/00000000-0000-4000-8000-000000000000", 404),
        ("GET", "/v1/credentials/00000000-0000-4000-8000-000000000000", 404),
        ("DELETE", "/v1/credentials/00000000-0000-4000-8000-000000000000", 404),
        ("GET", "/v1/kubernetes/clusters/%00%0a/nodes", 404),
    ],
)
@story
async def test_a5_a12_unknown_things_are_404_in_the_one_shape(
    platform: Platform, method: str, path: str, status: int
) -> None:
    assert _is_refusal(await platform.http.request(method, path), status)


@pytest.mark.parametrize(
    "path", ["/v1/regions/", "/v1/kubernetes/clusters/", "/v1/credentials/", "/v1//regions"]
)
@story
async def test_a2_nothing_redirects(platform: Platform, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await platform.http.request(method, path, follow_redirects=False)
        assert not 300 <= answer.status_code < 400


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"name": 1}', b'{"name": "\\ud800"}'],
)
@story
async def test_a5_a_body_that_cannot_be_meant_is_400_never_422(
    platform: Platform, content: bytes
) -> None:
    for path in ("/v1/kubernetes/clusters", "/v1/credentials", "/v1/kubernetes/clusters:plan"):
        answer = await platform.http.post(
            path, content=content, headers={"Content-Type": "application/json"}
        )
        assert _is_refusal(answer, 400), answer.text
        assert answer.json()["fieldViolations"]


@story
async def test_a_body_over_one_mebibyte_is_413(platform: Platform) -> None:
    large = json.dumps({"name": "x" * (1 << 20)}).encode()
    kind = {"Content-Type": "application/json"}
    assert _is_refusal(
        await platform.http.post("/v1/credentials", content=large, headers=kind), 413
    )

    async def pieces() -> Any:
        for _ in range(20):
            yield b"x" * 100_000

    answer = await platform.http.post("/v1/credentials", content=pieces(), headers=kind)
    assert _is_refusal(answer, 413)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@story
async def test_a_body_nested_too_deep_is_400(platform: Platform, opening: str) -> None:
    answer = await platform.http.post(
        "/v1/kubernetes/clusters",
        content=(opening * 50_000).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert _is_refusal(answer, 400)
    assert "nested" in answer.json()["message"]


@story
async def test_brackets_inside_strings_are_no_depth(platform: Platform) -> None:
    body = a_credentials("[" * 50 + '"' + "[" * 49)
    assert (await platform.post("/v1/credentials", body)).status_code == 201


@story
async def test_answers_have_a_request_id_and_security_headers(platform: Platform) -> None:
    given = await platform.get("/v1/regions", headers={"X-Request-Id": "from-me.1"})
    assert given.headers["x-request-id"] == "from-me.1"
    forged = await platform.get("/v1/regions", headers={"X-Request-Id": "a b\x7f"})
    assert len(forged.headers["x-request-id"]) == 36
    for answer in (given, await platform.get("/v1/nothing"), await platform.get("/v1/health")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" in answer.headers


@story
async def test_an_unexpected_fault_is_500_without_internals(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the database password is hunter2")

    monkeypatch.setattr(platform.store.clusters, "list", broken)
    with capture_logs() as logs:
        answer = await platform.get("/v1/kubernetes/clusters")
    assert _is_refusal(answer, 500)
    assert "hunter2" not in answer.text
    identity = answer.json()["requestId"]
    assert any(line.get("request_id") == identity and "exc_info" in line for line in logs)


@story
async def test_secrets_are_in_no_log_line_and_no_answer(platform: Platform) -> None:
    secret = "TOPSECRETVALUE0123456789"
    with capture_logs() as logs:
        answers = [
            await platform.post("/v1/credentials", a_credentials("one", secret=secret)),
            await platform.post("/v1/credentials", a_credentials("two", "AKIABAD", secret)),
            await platform.post("/v1/credentials", a_credentials("x", secret=secret + " inside")),
            await platform.post("/v1/credentials", {"name": "y", "credentials": [secret]}),
            await platform.post("/v1/credentials", {**a_credentials("z"), "credentials": secret}),
            await platform.get("/v1/credentials"),
        ]
    assert [answer.status_code for answer in answers] == [201, 400, 400, 400, 400, 200]
    assert all(secret not in answer.text for answer in answers)
    assert secret not in repr(logs)
    assert platform.token not in repr(logs)


@story
async def test_health_and_readiness_need_no_token(platform: Platform) -> None:
    del platform.http.headers["X-API-Key"]
    assert (await platform.get("/v1/health")).json()["status"] == "ok"
    assert (await platform.get("/v1/ready")).json()["status"] == "ok"


@story
async def test_metrics_are_for_this_machine_or_with_a_token(platform: Platform) -> None:
    answer = await platform.get("/metrics")
    assert answer.status_code == 200
    assert "holdfast_http_request_seconds" in answer.text
    del platform.http.headers["X-API-Key"]
    far = httpx2.ASGITransport(app=platform.app, client=("203.0.113.9", 1))
    near = httpx2.ASGITransport(app=platform.app, client=("127.0.0.1", 1))
    async with httpx2.AsyncClient(transport=far, base_url="https://x") as http:
        assert (await http.get("/metrics")).status_code == 401
        with_token = {"X-API-Key": platform.token}
        assert (await http.get("/metrics", headers=with_token)).status_code == 200
    async with httpx2.AsyncClient(transport=near, base_url="https://x") as http:
        assert (await http.get("/metrics")).status_code == 200
        forwarded = {"X-Forwarded-For": "203.0.113.9"}
        assert (await http.get("/metrics", headers=forwarded)).status_code == 401


@story
async def test_a60_the_openapi_document_describes_every_endpoint(platform: Platform) -> None:
    document = (await platform.get("/v1/spec/openapi.json")).json()
    assert document["openapi"].startswith("3.")
    assert "/v1/kubernetes/clusters/{cluster_id}/kubeconfig" in document["paths"]
    schema = document["components"]["schemas"]["Cluster"]["properties"]
    assert {"cloudCredentialsIDs", "reconcileMode", "createdAt"} <= schema.keys()
    assert not any("agent" in path for path in document["paths"])


@story
async def test_a6_no_object_has_two_keys_that_differ_only_in_case(platform: Platform) -> None:
    def check(value: Any) -> None:
        if isinstance(value, dict):
            assert len({key.lower() for key in value}) == len(value)
            for each in value.values():
                check(each)
        elif isinstance(value, list):
            for each in value:
                check(each)

    made = await platform.cluster("web", tags={"a": "b"})
    await platform.machines(made["id"])
    one = f"/v1/kubernetes/clusters/{made['id']}"
    for path in (one, f"{one}/nodes", f"{one}/events", f"{one}/plan", "/v1/credentials"):
        check((await platform.get(path)).json())
