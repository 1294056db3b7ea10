"""The forms that an artifact's weights can take."""

from typing import Literal

Form = Literal["none", "nf4", "int8"]
"""As the source has them; 4 bits in bitsandbytes' NF4, for the GPU image; 8 bits, the CPU's default."""
