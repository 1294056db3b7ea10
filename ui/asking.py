"""Asking the model on somebody's behalf: within their limits, with the price of the answer."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from slipway.errors import SlipwayError
from slipway.fleets import Fleets
from slipway.money import EndpointCost
from ui.answer import Answer
from ui.breaker import Breaker
from ui.conversation import Client as ConversationClient
from ui.conversation import Question, ask
from ui.identity import Person
from ui.limits import Limits
from ui.settings import Settings
from ui.trouble import Kind, Trouble

logger = logging.getLogger("slipway.chat")
_HOUR_S = 3600.0
_PRICE_HOLDS_S = 60.0


class Client(ConversationClient, Protocol):
    """What answering needs of `slipway.client.Slipway`."""

    def fleets(self, endpoint: str, /) -> Fleets | None: ...

    def cost(self, endpoint: str, /) -> EndpointCost: ...


@dataclass(frozen=True)
class _Price:
    dollars_a_second: float | None
    read_at: float


class Asker:
    """Shared by all who chat: one breaker for each endpoint, one account for each person."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._threads = ThreadPoolExecutor(settings.streams, "answer")
        self._limits = Limits(settings.requests_a_minute, settings.tokens_a_day)
        self._breakers: dict[str, Breaker] = {}
        self._prices: dict[str, _Price] = {}

    def rest_left_s(self, endpoint: str) -> float:
        """How long the page still asks the endpoint nothing, because it failed."""
        return self._breaker(endpoint).rest_left_s()

    async def answers(self, person: Person, question: Question) -> AsyncGenerator[Answer, None]:
        """As `ui.conversation.ask`; the last one also has its price, or says which limit the person has reached."""
        if trouble := self._limits.begin(person.name):
            yield Answer(trouble=trouble)
            return
        last = Answer()
        price = asyncio.create_task(
            self._price(question.endpoint)
        )  # while the model thinks, so that nobody waits for it
        try:
            async with aclosing(
                ask(self._client, question, self._threads, self._breaker(question.endpoint))
            ) as answers:
                async for last in answers:
                    yield last if last.tokens is None and not last.trouble else await self._told(question, last, price)
        finally:
            price.cancel()
            # An answer that was stopped told no count; four characters a token is the rule of thumb for English.
            spent = (last.tokens or len(last.text) // 4) + (last.prompt_tokens or _estimated(question))
            self._limits.end(person.name, spent)
            kind = last.trouble.kind.name.lower() if last.trouble else "answered" if last.tokens is not None else "left"
            logger.info("question ended", extra={"endpoint": question.endpoint, "ended": kind})

    async def _told(self, question: Question, answer: Answer, priced: "asyncio.Task[float | None]") -> Answer:
        if answer.trouble:
            return replace(answer, trouble=await self._seen(question.endpoint, answer.trouble))
        price = await priced
        return answer if price is None else replace(answer, dollars_at_most=price * answer.took_s)

    async def _seen(self, endpoint: str, trouble: Trouble) -> Trouble:
        """An endpoint that is being created answers as if there were none (ValidationError, "not found").

        Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
        """
        if trouble.kind is not Kind.MISSING:
            return trouble
        try:
            fleets = await asyncio.to_thread(self._client.fleets, endpoint)
        except SlipwayError:
            return trouble
        return waking() if fleets and fleets.status == "Creating" else trouble

    async def _price(self, endpoint: str) -> float | None:
        """Dollars that one instance of the endpoint costs in a second; None where nobody knows."""
        known = self._prices.get(endpoint)
        if known is None or time.monotonic() - known.read_at > _PRICE_HOLDS_S:
            known = _Price(await asyncio.to_thread(self._read_price, endpoint), time.monotonic())
            self._prices[endpoint] = known
        return known.dollars_a_second

    def _read_price(self, endpoint: str) -> float | None:
        try:
            bill = self._client.cost(endpoint).now
        except Exception as error:  # noqa: BLE001 - the answer is there; whatever keeps its price away must not take it back
            logger.warning("price not read", extra={"endpoint": endpoint, "error": type(error).__name__})
            return None
        instances = sum(bill.instances.values())
        return float(bill.hour_dollars) / instances / _HOUR_S if instances and bill.hour_dollars is not None else None

    def _breaker(self, endpoint: str) -> Breaker:
        return self._breakers.setdefault(endpoint, Breaker())


def waking() -> Trouble:
    return Trouble(Kind.WAKING, "The endpoint is being created, which takes some minutes; ask again when it is up.")


def _estimated(question: Question) -> int:
    return sum(len(message["content"]) for message in question.messages) // 4
