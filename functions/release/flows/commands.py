"""Commands of the `slipway` program that messages tell people to run."""


def rollback_command(endpoint: str, release_id: str) -> str:
    """Names the release: "the last good one" may be another by the time that somebody reads the message."""
    return f"slipway rollback {endpoint} --to {release_id}"


def why_command(endpoint: str) -> str:
    return f"slipway why {endpoint}"


def show_command(endpoint: str, release_id: str) -> str:
    return f"slipway releases show {release_id} --endpoint {endpoint}"


def freeze_command(endpoint: str) -> str:
    return f"slipway freeze {endpoint} --reason teardown"


def remove_command(endpoint: str) -> str:
    return f"slipway remove {endpoint} --reason teardown"
