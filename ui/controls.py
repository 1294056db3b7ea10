"""How to answer: presets, and bounds that hold whatever the browser sends."""

from dataclasses import dataclass

from slipway.client import ChatOptions

LONGEST_SYSTEM_PROMPT = 8_000
"""Characters."""
MAX_TOKENS = (16, 2048)
TEMPERATURE = (0.0, 2.0)
TOP_P = (0.05, 1.0)
_SEEDS = 2**31 - 1


@dataclass(frozen=True)
class Preset:
    name: str
    says: str
    temperature: float
    top_p: float


PRESETS = (
    Preset("Exact", "the same answer every time", 0.0, 1.0),
    Preset("Balanced", "varied, close to the point", 0.7, 0.9),
    Preset("Inventive", "for ideas", 1.1, 0.95),
)


def options_of(temperature: float, top_p: float, max_tokens: float, seed: float | None) -> ChatOptions:
    """What the model's server is asked, within the bounds of the sliders."""
    chosen = None if seed is None or seed < 0 else int(min(seed, _SEEDS))
    greedy = temperature <= 0
    return ChatOptions(
        max_tokens=int(_within(max_tokens, MAX_TOKENS)),
        temperature=_within(temperature, TEMPERATURE),
        # A greedy answer draws nothing, so there is nothing that these could narrow or repeat.
        top_p=None if greedy else _within(top_p, TOP_P),
        seed=None if greedy else chosen,
    )


def _within(value: float, bounds: tuple[float, float]) -> float:
    low, high = bounds
    return min(high, max(low, float(value)))
