"""Which instance takes a request: by session, by variant, or by the endpoint's shares of traffic."""

from collections.abc import Mapping

from local.sagemaker.behaviour import Behaviour
from local.sagemaker.data_plane.sessions import NEW_SESSION, Session, Sessions
from local.sagemaker.endpoint import Endpoint
from local.sagemaker.errors import AwsError
from local.sagemaker.fleets.fleet import Fleet
from local.sagemaker.fleets.instance import Instance


class Router:
    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._sessions = Sessions()

    def reserve(self, endpoint: Endpoint, variant: str | None, session_id: str | None) -> tuple[Fleet, Instance] | None:
        """Reserve an instance; None where none is ready now.

        Raises:
            AwsError: ValidationError: the variant or the session does not exist.
        """
        session = self._session(endpoint, session_id)
        if session and variant in {None, session.instance.variant.name}:
            return (session.fleet, session.instance) if session.fleet.reserve_same(session.instance) else None
        if session:
            own = session.instance.variant.name
            raise AwsError("ValidationError", f"Session {session_id} is one of variant {own}, not of {variant}.")
        if variant and not endpoint.has_variant(variant):
            raise AwsError("ValidationError", f"Variant {variant} not found for endpoint {endpoint.name}.")
        return endpoint.reserve(variant)

    def note(self, members: Mapping[str, str], endpoint: Endpoint, fleet: Fleet, instance: Instance) -> None:
        """Keep the session that an answer opens, and forget the one that it closes."""
        if opened := members.get("NewSessionId"):
            self._sessions.open(endpoint.name, opened, fleet, instance)
        if closed := members.get("ClosedSessionId"):
            self._sessions.close(endpoint.name, closed)

    def _session(self, endpoint: Endpoint, session_id: str | None) -> Session | None:
        if session_id in {None, NEW_SESSION}:
            return None
        session = self._sessions.find(endpoint.name, str(session_id))
        if session is None and self._behaviour.unknown_sessions_are_refused:
            text = (
                f"Session {session_id} of endpoint {endpoint.name} does not exist; it may have expired. Open another."
            )
            raise AwsError("ValidationError", text)
        return session
