"""The pages for the person on call: what they show, who may act, and what is asked of Slipway."""

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from slipway.errors import AccessDeniedError
from slipway.feedback import Opinion
from tests.unit.ui.fake_slipway import FakeSlipway
from ui.door import DevelopmentLogin, Door
from ui.identity import OPERATOR, Person
from ui.picture import picture
from ui.releases import Releases, routes
from ui.security import Guard
from ui.settings import Login, Settings

SETTINGS = Settings(login=Login.DEVELOPMENT)
RELEASE = "3f2a91c07d4e"


@pytest.fixture
def slipway() -> FakeSlipway:
    return FakeSlipway()


def browser(slipway: FakeSlipway, *roles: str) -> TestClient:
    development = DevelopmentLogin()
    app = FastAPI()
    app.include_router(routes(Releases(slipway, SETTINGS)))
    app.add_middleware(Door, settings=SETTINGS, development=development)
    app.add_middleware(Guard)
    cookie = development.cookie(Person("ada", frozenset(roles))).split(";")[0]
    return TestClient(app, headers={"cookie": cookie})


@pytest.fixture
def operator(slipway: FakeSlipway) -> Iterator[TestClient]:
    with browser(slipway, OPERATOR) as client:
        yield client


def words(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", markup).split())


def test_the_picture_shows_fleets_phase_gates_with_evidence_alarms_cost_and_ledger(operator: TestClient) -> None:
    page = words(operator.get("/releases").text)

    for shown in (
        "slipway-chat-a47c0b1e88d2-1",
        "slipway-chat-3f2a91c07d4e-1 Baking",
        "3f2a91c07d4e-1 baking",
        "SageMaker says Baking; blue stands",
        "failed: evidence green did not meet its preflight (14 of 14 prompts asked)",
        "asked 14",
        "guard OK",
        "dead-man OK",
        "$2.03 an hour",
        "driftFound sweep: endpoint config",
    ):
        assert shown in page


def test_an_operator_aborts_with_a_reason_and_their_name_goes_into_the_ledger(
    operator: TestClient, slipway: FakeSlipway
) -> None:
    done = operator.post("/releases/chat/abort", data={"reason": "wrong model", "confirm": "abort"})

    assert (done.status_code, slipway.acted) == (200, [("abort", "wrong model", "ada")])
    assert "Abort is done." in words(done.text)


@pytest.mark.parametrize("verb", ["abort", "pause", "approve", "rollback", "freeze", "why"])
def test_without_the_role_nobody_acts(slipway: FakeSlipway, verb: str) -> None:
    refused = browser(slipway).post(f"/releases/chat/{verb}", data={"reason": "mine", "confirm": verb})

    assert (refused.status_code, slipway.acted) == (403, [])
    assert "needs the role slipway-operators" in words(refused.text)


def test_without_the_role_no_lever_is_shown(slipway: FakeSlipway) -> None:
    page = browser(slipway).get("/releases").text

    assert "<form" not in page
    assert "You may look." in page


@pytest.mark.parametrize(
    "form",
    [
        pytest.param({"reason": "x"}, id="not confirmed"),
        pytest.param({"reason": "x", "confirm": "pause"}, id="another verb confirmed"),
    ],
)
def test_what_is_not_confirmed_is_not_done(operator: TestClient, slipway: FakeSlipway, form: dict[str, str]) -> None:
    assert operator.post("/releases/chat/abort", data=form).status_code == 400
    assert slipway.acted == []


def test_a_verb_that_is_none_and_an_endpoint_of_others_are_refused(operator: TestClient, slipway: FakeSlipway) -> None:
    assert operator.post("/releases/chat/remove", data={"confirm": "remove"}).status_code == 400
    assert operator.post("/releases/other/abort", data={"reason": "x", "confirm": "abort"}).status_code == 404
    assert slipway.acted == []


def test_a_refusal_of_the_machine_is_its_sentence(operator: TestClient, slipway: FakeSlipway) -> None:
    slipway.refusal = "chat: the finish line is behind; roll back instead"

    refused = operator.post("/releases/chat/abort", data={"reason": "x", "confirm": "abort"})

    assert refused.status_code == 409
    assert "Chat: the finish line is behind; roll back instead." in words(refused.text)


@pytest.mark.parametrize(
    ("changed", "verbs"),
    [
        pytest.param({"phase": "baking"}, ("abort", "freeze"), id="under traffic nothing but abort"),
        pytest.param({"phase": "waiting"}, ("pause", "abort", "freeze"), id="before traffic"),
        pytest.param(
            {"phase": "waiting", "awaiting": "approval"}, ("approve", "pause", "abort", "freeze"), id="a word"
        ),
        pytest.param({"phase": "live"}, ("rollback", "freeze"), id="at rest"),
    ],
)
def test_only_what_can_be_done_is_offered(
    slipway: FakeSlipway, changed: dict[str, str], verbs: tuple[str, ...]
) -> None:
    slipway.item |= changed

    assert picture(slipway, "chat").verbs == verbs


def test_what_cannot_be_read_costs_that_piece_and_says_so(
    operator: TestClient, slipway: FakeSlipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: str) -> None:
        raise AccessDeniedError("the credentials may not DescribeEndpoint")

    monkeypatch.setattr(slipway, "fleets", denied)

    page = operator.get("/releases").text

    assert page.count("the credentials may not DescribeEndpoint") == 1
    assert "driftFound" in page


def test_a_release_shows_its_bytes_its_gates_who_did_what_and_what_people_say(
    operator: TestClient, slipway: FakeSlipway
) -> None:
    slipway.judged(RELEASE, Opinion.UP, 8)
    slipway.judged(RELEASE, Opinion.DOWN, 2)

    page = words(operator.get(f"/releases/chat/{RELEASE}").text)

    assert "bytes verified Release 3f2a91c07d4e of endpoint chat is artifact 6b3a55e0" in page
    assert "preflight passed 2026-11-23T10:59:30.000Z 12 of 12 prompts were answered as they must" in page
    # Wilson, 8 of 10, z = 1.96: (0.490, 0.943), as in Brown, Cai, DasGupta, Statistical Science 16 (2001).
    assert "80 % of 10 (49 to 94 %)" in page
    assert "phaseEntered live release machine: endpoint slipway-chat serves release 3f2a91c07d4e" in page


def test_a_release_that_is_none_is_said_so(operator: TestClient) -> None:
    missing = operator.get("/releases/chat/000000000000")

    assert missing.status_code == 404
    assert "has no release 000000000000" in missing.text


def test_what_records_say_cannot_carry_markup(operator: TestClient, slipway: FakeSlipway) -> None:
    slipway.item["reason"] = "<script>alert(1)</script>"

    assert "<script>alert" not in operator.get("/releases").text
