"""What one person may ask, so that nobody's script takes the model from everybody else."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ui.trouble import Kind, Trouble

AT_ONCE = 4
"""Answers that one person may have running at once."""
_DAY_S = 86_400
_MINUTE_S = 60.0
_FORGET_ABOVE = 10_000


@dataclass
class _Account:
    requests: float
    """Left in the bucket."""
    filled_at: float
    running: int = 0
    tokens: int = 0
    """Spent on `day`."""
    day: int = field(default=0)


class Limits:
    """A bucket of questions that fills by the minute, a budget of tokens for each day (UTC), and a few answers at once.

    Held in this process: with n tasks a person whom the load balancer sends to all of them has n times as much.

    Args:
        clock: seconds that never go back.
        today: seconds since 1970, UTC.
    """

    def __init__(
        self,
        requests_a_minute: int,
        tokens_a_day: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], float] = time.time,
    ) -> None:
        self._per_minute, self._per_day = requests_a_minute, tokens_a_day
        self._clock, self._today = clock, today
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}

    def begin(self, person: str) -> Trouble | None:
        """Take one question out of the bucket; the reason if there is none to take. What begins must `end`."""
        with self._lock:
            account = self._account(person)
            if problem := self._problem(account):
                return Trouble(Kind.LIMITED, problem)
            account.requests -= 1
            account.running += 1
            return None

    def end(self, person: str, tokens: int) -> None:
        """Args: tokens: what the answer took, its prompt included; 0 where the model told none."""
        with self._lock:
            account = self._account(person)
            account.running = max(0, account.running - 1)
            account.tokens += tokens

    def _problem(self, account: _Account) -> str:
        if account.running >= AT_ONCE:
            return f"{account.running} answers are running for you, the limit is {AT_ONCE}; wait for one or stop it."
        if account.tokens >= self._per_day:
            hours = math.ceil((_DAY_S - self._today() % _DAY_S) / 3600)
            return f"You used {account.tokens} of {self._per_day} tokens today; ask again in {hours} h, at 00:00 UTC."
        if account.requests < 1:
            wait_s = math.ceil((1 - account.requests) * _MINUTE_S / self._per_minute)
            return f"You asked {self._per_minute} times within a minute, which is the limit; ask again in {wait_s} s."
        return ""

    def _account(self, person: str) -> _Account:
        now, day = self._clock(), int(self._today() // _DAY_S)
        if person not in self._accounts:
            self._forget(day)
            self._accounts[person] = _Account(self._per_minute, now, day=day)
        account = self._accounts[person]
        gained = (now - account.filled_at) * self._per_minute / _MINUTE_S
        account.requests, account.filled_at = min(self._per_minute, account.requests + gained), now
        if account.day != day:
            account.tokens, account.day = 0, day
        return account

    def _forget(self, day: int) -> None:
        """Names are chosen by whoever logs in, so what is remembered of them has an end."""
        if len(self._accounts) < _FORGET_ABOVE:
            return
        self._accounts = {name: one for name, one in self._accounts.items() if one.running or one.day == day}
