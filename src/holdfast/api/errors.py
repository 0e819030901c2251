"""Every failure in the one error shape of the contract, with a status that says what to do.

400 the request is wrong     401 no valid token      404 no such thing
409 conflict                 412 not in this state   413 too large    500 our bug, no internals
"""

from collections.abc import Iterable, Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from holdfast.store.errors import InUse, NameTaken, StoreError, Unknown
from holdfast.wire.error import ErrorBody, FieldViolation, Invalid, Wrong

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    500: "Internal Server Error",
}


class Refusal(Exception):
    """A request that is not served. `message` is for the user and names the thing."""

    def __init__(
        self,
        status: int,
        message: str,
        wrong: Iterable[Wrong] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.wrong = tuple(wrong)
        self.headers = dict(headers or {})


def not_found(kind: str, identity: str) -> Refusal:
    """404 for an id that nothing has."""
    return Refusal(404, f"{kind} {identity!r} not found")


def body(status: int, message: str, wrong: Iterable[Wrong], request_id: str | None) -> ErrorBody:
    """The shape of every error."""
    return ErrorBody(
        message=message or TITLES.get(status, "Error"),
        field_violations=[
            FieldViolation(field=one.field, description=one.description) for one in wrong
        ],
        request_id=request_id,
    )


def answer(refusal: Refusal, request_id: str | None) -> JSONResponse:
    """The response to a refused request."""
    shape = body(refusal.status, refusal.message, refusal.wrong, request_id)
    content = shape.model_dump(mode="json", exclude_none=True)
    return JSONResponse(content, refusal.status, headers=refusal.headers)


def install(app: FastAPI) -> None:
    """Make every exception that a route may raise an answer in that shape."""
    app.add_exception_handler(Refusal, _handle)
    app.add_exception_handler(Invalid, _handle)
    app.add_exception_handler(RequestValidationError, _handle)
    app.add_exception_handler(HTTPException, _handle)
    app.add_exception_handler(StoreError, _handle)


async def _handle(request: Request, error: Exception) -> JSONResponse:
    return answer(_refusal(error), getattr(request.state, "request_id", None))


def _refusal(error: Exception) -> Refusal:
    match error:
        case Refusal():
            return error
        case Invalid():
            return Refusal(400, TITLES[400], error.wrong)
        case RequestValidationError():
            return Refusal(400, TITLES[400], map(_violation, error.errors()))
        case HTTPException():
            message = TITLES.get(error.status_code, "") or str(error.detail)
            return Refusal(error.status_code, message, headers=error.headers)
        case StoreError():
            return _of_store(error)
    raise error


def _of_store(error: StoreError) -> Refusal:
    """What the user can do something about; the rest is our bug and stays one."""
    match error:
        case NameTaken():
            return Refusal(409, str(error), [Wrong("name", "already taken")])
        case InUse():
            return Refusal(409, str(error))
        case Unknown():
            return Refusal(404, str(error))
    raise error


def _violation(error: Mapping[str, object]) -> Wrong:
    """A shape mistake by its path; the input is left out, since it may be a secret."""
    loc = error.get("loc")
    parts = list(loc) if isinstance(loc, tuple) else []
    if parts and parts[0] in {"body", "query", "path", "header"}:
        parts = parts[1:]
    field = ""
    for part in parts:
        field += f"[{part}]" if isinstance(part, int) else f"{'.' if field else ''}{part}"
    if error.get("type") == "json_invalid":
        return Wrong("body", "is not JSON")
    return Wrong(field or "body", str(error.get("msg", "is wrong")))
