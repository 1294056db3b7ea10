"""The one place that reads the environment, builds clients and knows which adapter serves which port.

A module for each family of handlers, so that a function imports its own flows and no others. Nothing is built before a
handler asks for it, and everything is built once per process.
"""

import gc

# What a function loads it keeps: looking for garbage at every 700th new object, as Python does, is a tenth of it.
gc.set_threshold(10_000)
