"""What can be shown of an answer, as far as it has come."""

from dataclasses import dataclass

from ui.trouble import Kind, Trouble

_GOES_ON = frozenset({Kind.BROKEN, Kind.DRAINING, Kind.FAILED})
_CENT = 0.01


@dataclass(frozen=True)
class Answer:
    text: str = ""
    release_id: str = ""
    trouble: Trouble | None = None
    """`text` then holds what had come before."""
    waiting: str = ""
    """One sentence while the page asks again by itself; empty otherwise."""
    left_out: int = 0
    """Older messages that the model was not told, because its context would not hold them."""
    tokens: int | None = None
    """Of the whole answer; None until it has ended well."""
    prompt_tokens: int | None = None
    first_token_s: float | None = None
    tokens_per_s: float | None = None
    took_s: float = 0.0
    """From the question to the end."""
    cut: bool = False
    """It reached its longest length."""
    dollars_at_most: float | None = None
    """What its instance costs in that time; others who are answered at once share it. None where no price is known."""

    @property
    def ended(self) -> bool:
        return self.tokens is not None or self.trouble is not None

    @property
    def can_go_on(self) -> bool:
        return bool(self.text) and (self.cut or (self.trouble is not None and self.trouble.kind in _GOES_ON))

    @property
    def facts(self) -> str:
        """How much, how fast, for how much; empty until the answer has ended well."""
        if self.tokens is None:
            return ""
        parts = [f"{self.tokens} token{'' if self.tokens == 1 else 's'}"]
        if self.first_token_s is not None:
            parts.append(f"{self.first_token_s:.1f} s to first token")
        if self.tokens_per_s is not None:
            parts.append(f"{self.tokens_per_s:.0f} tokens/s")
        if self.dollars_at_most is not None:
            parts.append(f"at most {dollars(self.dollars_at_most)}")
        return " · ".join(parts)

    @property
    def footer(self) -> str:
        """The line under the answer: who answered, how much, how fast, for how much."""
        return " · ".join(
            part for part in (f"release {self.release_id}" if self.release_id else "", self.facts) if part
        )


def dollars(amount: float) -> str:
    """With as many digits as tell it from nothing."""
    return f"${amount:.2f}" if amount >= _CENT else f"${amount:.1g}" if amount >= 1e-6 else "$0.000001"  # noqa: PLR2004 - a millionth
