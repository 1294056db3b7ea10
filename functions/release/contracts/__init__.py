"""Shapes that cross a boundary; `events/` is their law, and a contract test holds the two together."""
