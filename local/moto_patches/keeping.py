"""Where state is kept across restarts, a service that cannot be kept is refused at its first call."""

from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse

from local.moto_patches.patching import Patches
from local.state.moto_state import is_kept

# They answer about other services' resources and hold nothing themselves.
_WITHOUT_STATE = frozenset({"moto.resourcegroupstaggingapi", "moto.moto_api"})


class NotKeptError(ServiceException):
    """A call of a service whose state would be lost at the next restart."""

    code = "NotImplemented"


def install(patches: Patches) -> None:
    _refuse_what_would_be_lost(patches)


def _refuse_what_would_be_lost(patches: Patches) -> None:
    """moto keeps every service in memory, and some of them in a form that cannot be written down."""

    def call_action(response: BaseResponse) -> Any:
        module = ".".join(type(response).__module__.split(".")[:2])
        if is_kept(module) or module in _WITHOUT_STATE:
            return original(response)
        service = response.boto3_service_name
        refusal = NotKeptError(
            f"local AWS cannot keep the state of {service} across a restart; start it without --keep-state to use it"
        )
        _, headers, body = response.serialized(ActionResult(refusal))
        headers["status"] = "501"
        return 501, headers, body

    original = patches.replace(BaseResponse, "call_action", call_action)
