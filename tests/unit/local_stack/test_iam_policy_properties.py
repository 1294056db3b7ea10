"""What must hold of every set of policies, whatever they say."""

import fnmatch
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from local.iam.conditions import Context, glob
from local.iam.policy import Effect, Names, Policies, Request, decide, why_denied

ACTIONS = ["s3:GetObject", "s3:PutObject", "sqs:SendMessage"]
RESOURCES = ["arn:aws:s3:::drops/a", "arn:aws:s3:::drops/b/c", "arn:aws:sqs:us-east-1:1:q"]
PATTERNS = ["*", "s3:*", "s3:Get*", "*:SendMessage", *ACTIONS]
PLACES = ["*", "arn:aws:s3:::drops/*", "arn:aws:s3:::drops/?", *RESOURCES]

conditions = st.one_of(
    st.none(),
    st.sampled_from([{"StringEquals": {"k": "v"}}, {"StringNotEquals": {"k": "v"}}, {"Null": {"k": "true"}}]),
)


@st.composite
def statements(draw: Any, effects: tuple[str, ...] = ("Allow", "Deny")) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Effect": draw(st.sampled_from(effects)),
        draw(st.sampled_from(["Action", "NotAction"])): draw(
            st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2)
        ),
        "Resource": draw(st.sampled_from(PLACES)),
    }
    condition = draw(conditions)
    return statement | ({"Condition": condition} if condition else {})


requests = st.builds(
    lambda action, resource, value: Request(action, resource, Context({"k": value} if value else {})),
    st.sampled_from(ACTIONS),
    st.sampled_from(RESOURCES),
    st.sampled_from([None, "v", "w"]),
)
documents = st.lists(statements(), max_size=5)


def document(*inside: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(inside)}


@given(documents, requests)
def test_a_denial_wins_wherever_it_stands(inside: list[dict[str, Any]], request: Request) -> None:
    everything = {"Effect": "Deny", "Action": "*", "Resource": "*"}

    assert decide([document(*inside, everything)], request) is Effect.DENY
    assert decide([document(everything, *inside)], request) is Effect.DENY


@given(documents, requests, st.randoms(use_true_random=False))
def test_the_order_of_statements_and_documents_says_nothing(
    inside: list[dict[str, Any]], request: Request, chance: random.Random
) -> None:
    mixed = chance.sample(inside, len(inside))

    assert decide([document(*inside)], request) is decide([document(each) for each in mixed], request)


@given(documents, statements(effects=("Allow",)), requests)
def test_one_more_permission_takes_none_away(
    inside: list[dict[str, Any]], more: dict[str, Any], request: Request
) -> None:
    before = decide([document(*inside)], request)
    after = decide([document(*inside, more)], request)

    assert after is before or (before is Effect.NONE and after is Effect.ALLOW)


@given(documents, documents, requests)
def test_a_boundary_never_adds_a_permission(
    own: list[dict[str, Any]], limit: list[dict[str, Any]], request: Request
) -> None:
    free = why_denied(request, Names(), Policies(identity=[document(*own)]))
    limited = why_denied(request, Names(), Policies(identity=[document(*own)], boundary=[document(*limit)]))

    assert free is None or limited is not None


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_wildcards_are_those_of_the_shell_without_its_brackets(pattern: str, value: str) -> None:
    assert glob(pattern, value) is fnmatch.fnmatchcase(value, pattern)


@given(st.text("ab[]!.^$+(){}|\\", max_size=8))
def test_everything_but_star_and_question_mark_is_itself(text: str) -> None:
    assert glob(text, text)
    assert not glob(text, f"{text}x")
