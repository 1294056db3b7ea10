"""What the page is told from outside. AWS's own settings are boto3's business."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    host: str = "127.0.0.1"
    port: int = 7860
    stack: str = "slipway"
    endpoint: str = "chat"
    streams: int = 100
    """Answers that run at once. Each takes a thread; one core carries about 50 of them smoothly."""

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises ValueError when PORT is no port."""
        port = environ.get("PORT", str(cls.port))
        if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:  # noqa: PLR2004 - the last port
            raise ValueError(f"PORT is {port!r}, not a port; set it to a number from 1 to 65535")
        return cls(
            host=environ.get("HOST", cls.host),
            port=int(port),
            stack=environ.get("SLIPWAY_STACK", cls.stack),
            endpoint=environ.get("SLIPWAY_ENDPOINT", cls.endpoint),
        )
