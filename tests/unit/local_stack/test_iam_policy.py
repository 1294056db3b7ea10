"""IAM's policy language, held to the rules of the IAM User Guide."""

from typing import Any

import pytest

from local.iam.conditions import Context, UnsupportedPolicyError
from local.iam.policy import Effect, Request, decide

BUCKET = "arn:aws:s3:::drops"


def _document(**statement: Any) -> dict[str, Any]:
    whole = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"} | statement
    return {"Version": "2012-10-17", "Statement": [{key: value for key, value in whole.items() if value is not None}]}


@pytest.mark.parametrize(
    ("statement", "action", "resource", "effect"),
    [
        pytest.param({}, "s3:GetObject", f"{BUCKET}/a/b", Effect.ALLOW, id="a star crosses slashes"),
        pytest.param({}, "S3:getobject", f"{BUCKET}/a", Effect.ALLOW, id="actions have no case"),
        pytest.param({}, "s3:PutObject", f"{BUCKET}/a", Effect.NONE, id="another action is not spoken of"),
        pytest.param({}, "s3:GetObject", "arn:aws:s3:::other/a", Effect.NONE, id="another bucket is not spoken of"),
        pytest.param({}, "s3:GetObject", BUCKET, Effect.NONE, id="the bucket is not one of its objects"),
        pytest.param(
            {"Action": "s3:Get*"}, "s3:GetObjectVersion", f"{BUCKET}/a", Effect.ALLOW, id="a star in an action"
        ),
        pytest.param(
            {"Action": ["s3:PutObject", "s3:GetObject"]}, "s3:GetObject", f"{BUCKET}/a", Effect.ALLOW, id="a list"
        ),
        pytest.param(
            {"Action": None, "NotAction": "s3:Delete*"},
            "s3:GetObject",
            f"{BUCKET}/a",
            Effect.ALLOW,
            id="not a deletion",
        ),
        pytest.param(
            {"Action": None, "NotAction": "s3:Delete*"}, "s3:DeleteObject", f"{BUCKET}/a", Effect.NONE, id="a deletion"
        ),
        pytest.param(
            {"Resource": None, "NotResource": f"{BUCKET}/secret/*"},
            "s3:GetObject",
            f"{BUCKET}/secret/a",
            Effect.NONE,
            id="inside what is left out",
        ),
        pytest.param({"Resource": f"{BUCKET}/a?"}, "s3:GetObject", f"{BUCKET}/ab", Effect.ALLOW, id="one character"),
        pytest.param(
            {"Resource": f"{BUCKET}/[a]"}, "s3:GetObject", f"{BUCKET}/a", Effect.NONE, id="brackets are brackets"
        ),
        pytest.param({"Effect": "Deny"}, "s3:GetObject", f"{BUCKET}/a", Effect.DENY, id="a denial"),
    ],
)
def test_a_statement_speaks_of_what_it_names(
    statement: dict[str, Any], action: str, resource: str, effect: Effect
) -> None:
    assert decide([_document(**statement)], Request(action, resource)) is effect


def test_a_denial_anywhere_wins_over_every_permission() -> None:
    documents = [_document(), _document(Effect="Deny", Resource=f"{BUCKET}/secret/*"), _document()]

    assert decide(documents, Request("s3:GetObject", f"{BUCKET}/secret/a")) is Effect.DENY
    assert decide(documents, Request("s3:GetObject", f"{BUCKET}/open/a")) is Effect.ALLOW


# The table of "Condition operators" and of "Multivalued context keys" in the User Guide.
@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        pytest.param({"StringEquals": {"k": "v"}}, {"k": "v"}, True, id="equal"),
        pytest.param({"StringEquals": {"k": "v"}}, {"k": "V"}, False, id="case counts"),
        pytest.param({"StringEquals": {"K": "v"}}, {"k": "v"}, True, id="a key has no case"),
        pytest.param({"StringEquals": {"k": ["a", "v"]}}, {"k": "v"}, True, id="values are joined by or"),
        pytest.param({"StringEquals": {"k": "v", "l": "w"}}, {"k": "v", "l": "x"}, False, id="keys are joined by and"),
        pytest.param({"StringEquals": {"k": "v"}}, {}, False, id="an absent key matches nothing"),
        pytest.param({"StringEqualsIfExists": {"k": "v"}}, {}, True, id="if exists forgives an absent key"),
        pytest.param({"StringEqualsIfExists": {"k": "v"}}, {"k": "w"}, False, id="if exists still compares"),
        pytest.param({"StringNotEquals": {"k": ["a", "v"]}}, {"k": "v"}, False, id="negated values are joined by nor"),
        pytest.param({"StringNotEquals": {"k": "v"}}, {}, True, id="an absent key equals nothing"),
        pytest.param({"StringLike": {"k": "models/*"}}, {"k": "models/chat/v1"}, True, id="like"),
        pytest.param({"StringNotLike": {"k": "models/*"}}, {"k": "models/chat"}, False, id="not like"),
        pytest.param({"StringEquals": {"k": "mod*"}}, {"k": "models"}, False, id="equals knows no star"),
        pytest.param({"Bool": {"aws:SecureTransport": False}}, {"aws:SecureTransport": "true"}, False, id="bool"),
        pytest.param({"Null": {"k": True}}, {}, True, id="null asks for absence"),
        pytest.param({"Null": {"k": "false"}}, {}, False, id="not null asks for presence"),
        pytest.param({"NumericLessThan": {"k": "10"}}, {"k": "9"}, True, id="numbers are no strings"),
        pytest.param(
            {"ArnLike": {"k": "arn:aws:iam::1:role/*"}},
            {"k": "arn:aws:iam::1:role/a:b"},
            True,
            id="star in an ARN's end",
        ),
        pytest.param(
            {"ArnLike": {"k": "arn:aws:iam::*"}},
            {"k": "arn:aws:iam::1:role/a"},
            False,
            id="star does not cross a colon",
        ),
        pytest.param({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, {"k": ["a", "b"]}, True, id="all of them"),
        pytest.param({"ForAllValues:StringEquals": {"k": ["a"]}}, {"k": ["a", "b"]}, False, id="not all of them"),
        pytest.param({"ForAllValues:StringEquals": {"k": ["a"]}}, {}, True, id="all of none"),
        pytest.param({"ForAnyValue:StringEquals": {"k": ["b"]}}, {"k": ["a", "b"]}, True, id="any of them"),
        pytest.param({"ForAnyValue:StringEquals": {"k": ["b"]}}, {}, False, id="any of none"),
        pytest.param({"IpAddress": {"k": "203.0.113.0/24"}}, {"k": "203.0.113.9"}, True, id="in the network"),
        pytest.param({"IpAddress": {"k": "203.0.113.0/24"}}, {"k": "203.0.114.9"}, False, id="outside the network"),
        pytest.param({"NotIpAddress": {"k": "203.0.113.0/24"}}, {"k": "203.0.114.9"}, True, id="not in the network"),
        pytest.param({"IpAddress": {"k": "2001:DB8::/32"}}, {"k": "2001:db8::1"}, True, id="the newer addresses"),
        pytest.param({"BinaryEquals": {"k": "QmluYXJ5"}}, {"k": "QmluYXJ5"}, True, id="bytes"),
        pytest.param(
            {"DateGreaterThan": {"k": "2026-01-01T00:00:00Z"}}, {"k": "2026-01-01T00:00:01Z"}, True, id="later"
        ),
        pytest.param({"DateLessThanEquals": {"k": "1767225600"}}, {"k": "2026-01-01T00:00:00Z"}, True, id="epoch time"),
        pytest.param({"DateEquals": {"k": "2026-01-01"}}, {"k": "2026-01-01T00:00:00Z"}, True, id="a day is midnight"),
        pytest.param({"NumericGreaterThanEquals": {"k": "10"}}, {"k": "9.5"}, False, id="a smaller number"),
        pytest.param({"ArnNotLike": {"k": "arn:aws:iam::1:role/a*"}}, {"k": "arn:aws:iam::1:role/b"}, True, id="arn"),
        pytest.param({"StringLike": {"k": "${who}/*"}}, {"k": "ann/a", "who": "ann"}, True, id="a variable"),
        pytest.param({"StringLike": {"k": "${who}/*"}}, {"k": "bob/a", "who": "*"}, False, id="a value is no pattern"),
        pytest.param({"StringEquals": {"k": "${who, 'ann'}"}}, {"k": "ann"}, True, id="a variable's stand-in"),
        pytest.param({"StringLike": {"k": "a${*}b"}}, {"k": "a*b"}, True, id="a literal star"),
        pytest.param({"StringLike": {"k": "a${*}b"}}, {"k": "axb"}, False, id="a literal star is no wildcard"),
        pytest.param({"StringEquals": {"k": "${$}{who}"}}, {"k": "${who}"}, True, id="a literal dollar sign"),
    ],
)
def test_a_condition_holds_as_the_user_guide_says(
    condition: dict[str, Any], context: dict[str, Any], *, holds: bool
) -> None:
    decided = decide([_document(Condition=condition)], Request("s3:GetObject", f"{BUCKET}/a", Context(context)))

    assert (decided is Effect.ALLOW) is holds


@pytest.mark.parametrize("operator", ["StringMatches", "ForSomeValues:StringEquals", "NumericNear"])
def test_an_operator_that_is_not_evaluated_is_refused_by_name(operator: str) -> None:
    with pytest.raises(UnsupportedPolicyError, match=operator):
        decide(
            [_document(Condition={operator: {"k": "v"}})], Request("s3:GetObject", f"{BUCKET}/a", Context({"k": "v"}))
        )


def test_a_policy_variable_takes_the_requests_value_and_matches_nothing_without_one() -> None:
    document = _document(Resource=f"{BUCKET}/${{aws:PrincipalTag/team}}/*")
    resource = f"{BUCKET}/blue/a"

    assert (
        decide([document], Request("s3:GetObject", resource, Context({"aws:PrincipalTag/team": "blue"})))
        is Effect.ALLOW
    )
    assert (
        decide([document], Request("s3:GetObject", resource, Context({"aws:PrincipalTag/team": "red"}))) is Effect.NONE
    )
    assert decide([document], Request("s3:GetObject", resource)) is Effect.NONE


@pytest.mark.parametrize(
    ("principal", "effect"),
    [
        pytest.param("*", Effect.ALLOW, id="everybody"),
        pytest.param(
            {"AWS": ["arn:aws:iam::1:role/other", "arn:aws:iam::1:role/mine"]}, Effect.ALLOW, id="one of several"
        ),
        pytest.param({"Service": "lambda.amazonaws.com"}, Effect.NONE, id="somebody else"),
    ],
)
def test_a_resource_policy_speaks_of_its_principals(principal: Any, effect: Effect) -> None:
    document = _document(Principal=principal)

    assert decide([document], Request("s3:GetObject", f"{BUCKET}/a"), ["arn:aws:iam::1:role/mine", "*"]) is effect


@pytest.mark.parametrize(
    ("operator", "wanted"),
    [("NumericEquals", "many"), ("DateLessThan", "tomorrow"), ("IpAddress", "home"), ("BinaryEquals", "%")],
)
def test_a_value_that_cannot_be_compared_is_refused_by_name(operator: str, wanted: str) -> None:
    with pytest.raises(UnsupportedPolicyError, match=f"{operator} cannot compare"):
        decide(
            [_document(Condition={operator: {"k": wanted}})],
            Request("s3:GetObject", f"{BUCKET}/a", Context({"k": "1"})),
        )


def test_in_an_older_policy_a_variable_is_text() -> None:
    """IAM policy elements, "Version": variables need 2012-10-17."""
    document = _document(Resource=f"{BUCKET}/${{aws:username}}") | {"Version": "2008-10-17"}
    context = Context({"aws:username": "ann"})

    assert decide([document], Request("s3:GetObject", f"{BUCKET}/ann", context)) is Effect.NONE
    assert decide([document], Request("s3:GetObject", f"{BUCKET}/${{aws:username}}", context)) is Effect.ALLOW
