"""`python -m ui`: serve the chat page."""

import os

import uvicorn

from ui.settings import Settings

# Longer than the load balancer's idle time-out (infra/entrance.yaml), or it would send a request into a connection that
# closes under it.
# Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html
KEEP_ALIVE_S = 620
# ECS kills a task 30 s after it asked it to stop; answers that run have until shortly before.
_DRAIN_S = 25


def main() -> None:
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read by gradio at import, so the imports come after it
    from slipway.client import Slipway  # noqa: PLC0415
    from ui.app import build_app  # noqa: PLC0415

    settings = Settings.of_environment(os.environ)
    uvicorn.run(
        build_app(Slipway(settings.stack), settings),
        host=settings.host,
        port=settings.port,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=_DRAIN_S,
        server_header=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
