"""Errors as AWS words them, and their bodies in the wire formats of its services."""

import json
from dataclasses import dataclass, field
from xml.sax.saxutils import escape


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, headers, body."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    request_id: str = ""


class AwsError(Exception):
    """A refusal with the cloud's own code; `status` is the HTTP status it travels with."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class Gap(AwsError):
    """A refusal because the sandbox does not know the thing: counted, so that a run can fail."""


def refusal(error: AwsError, protocol: str, request_id: str) -> Answer:
    """The answer that carries `error`; `protocol` is ec2, query, json or rest-xml."""
    headers: dict[str, str] = {}
    if protocol == "json":
        body = json.dumps({"__type": error.code, "message": error.message}).encode()
        headers |= {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": error.code}
        return Answer(error.status, body, headers, request_id)
    code, message = escape(error.code), escape(error.message)
    if protocol == "ec2":
        text = (
            f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error>"
            f"</Errors><RequestID>{request_id}</RequestID></Response>"
        )
    else:
        side = "Receiver" if error.status >= 500 else "Sender"
        text = (
            f"<ErrorResponse><Error><Type>{side}</Type><Code>{code}</Code>"
            f"<Message>{message}</Message></Error><RequestId>{request_id}</RequestId>"
            "</ErrorResponse>"
        )
    headers["Content-Type"] = "text/xml;charset=UTF-8"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    return Answer(error.status, body, headers, request_id)
