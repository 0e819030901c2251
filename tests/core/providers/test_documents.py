"""The pages that people read say what the code does: tables of errors and of permissions."""

import json
import re
from pathlib import Path

from holdfast.providers import errors
from holdfast.providers.aws.errors import CODES, PATTERNS, WORDED
from holdfast.providers.aws.permissions import PERMISSIONS, On, policy

DOCS = Path(__file__).parents[3] / "docs"
CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.ProviderError)
]


def rows(page: str) -> list[list[str]]:
    """The cells of every table row of a page."""
    text = (DOCS / page).read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def error_rows() -> dict[str, str]:
    """Code -> class, as the contract's page has it."""
    found = {}
    for cells in rows("provider-contract.md"):
        for code in re.findall(r"`([^`]+)`", cells[0]):
            if len(cells) == 3:
                found[code] = cells[1].strip("`")
    return found


def test_every_aws_code_stands_in_the_contract_with_its_class() -> None:
    written = error_rows()
    in_code = {code: found.__name__ for code, found in (*CODES.items(), *PATTERNS)}
    assert {code: written.get(code) for code in in_code} == in_code
    assert all(f"{code}: {words}" in written for code, words, _ in WORDED)


def test_the_contract_names_every_class_and_what_the_platform_does() -> None:
    text = (DOCS / "provider-contract.md").read_text()
    for one in CLASSES:
        if one is not errors.ProviderError:
            assert f"| `{one.__name__}` |" in text


def test_the_policy_document_on_the_page_is_the_one_in_code() -> None:
    text = (DOCS / "aws-permissions.md").read_text()
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert json.loads(block) == policy()


def test_every_permission_stands_on_the_page_with_its_reason() -> None:
    written = {(cells[0].strip("`"), cells[1]) for cells in rows("aws-permissions.md")}
    assert {(one.action, one.why) for one in PERMISSIONS} <= written


def test_the_policy_grants_the_table_and_never_everything() -> None:
    document = policy()
    granted = {action for one in document["Statement"] for action in one["Action"]}
    assert granted == {one.action for one in PERMISSIONS}
    assert not any("*" in action for action in granted)
    assert [one["Sid"] for one in document["Statement"]] == [on.value for on in On]
    ours = next(one for one in document["Statement"] if one["Sid"] == On.OURS.value)
    assert ours["Condition"] == {"StringLike": {"aws:ResourceTag/holdfast:installation": "*"}}
    destructive = {a for a in granted if re.match(r"ec2:(Delete|Terminate|Release|Revoke)", a)}
    assert destructive <= set(ours["Action"])


def test_the_policy_fits_into_one_managed_policy() -> None:
    """AWS takes 6144 characters, without white space, in a managed policy."""
    assert len(json.dumps(policy(), separators=(",", ":"))) <= 6144
