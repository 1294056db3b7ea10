"""What all tests share."""

import os

from hypothesis import settings

EVERYDAY = 100  # generated cases of one property test

# Property tests try a sample every day and twenty times as much in the long proof. Machines are shared, so no deadline.
settings.register_profile("everyday", max_examples=EVERYDAY, deadline=None)
settings.register_profile("prove", max_examples=20 * EVERYDAY, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("SLIPWAY_PROOF", "everyday"))
