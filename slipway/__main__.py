"""`python -m slipway`, from a checkout."""

import sys
from pathlib import Path

# The last place to look: where the release package lies in a checkout.
sys.path.append(str(Path(__file__).resolve().parents[1] / "functions"))

from slipway.cli import main

if __name__ == "__main__":
    main()
