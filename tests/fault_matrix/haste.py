"""What makes the embedded AWS cheaper to ask in this process, and changes none of its answers.

Of three rollouts' CPU time, by `cProfile` in each thread, a quarter went into trying ten aliases for every member of
every DynamoDB value, a tenth into the stack's own alarms, a twentieth into listing moto's folders at every request.
"""

from contextlib import ExitStack
from functools import cache
from typing import Any
from unittest.mock import patch

from moto import backends
from moto.core.serialize import BaseJSONSerializer
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

_structure = BaseJSONSerializer._serialize_type_structure
_VALUE = "AttributeValue"


def make_haste(undo: ExitStack) -> None:
    """Patch moto until `undo` ends."""
    modules = tuple(backends.list_of_moto_modules())
    undo.enter_context(patch.object(backends, "list_of_moto_modules", lambda: modules))
    dispatcher: Any = DomainDispatcherApplication
    undo.enter_context(patch.object(dispatcher, "get_backend_for_host", cache(dispatcher.get_backend_for_host)))
    undo.enter_context(patch.object(BaseJSONSerializer, "_serialize_type_structure", _serialized))


def _serialized(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
    """As moto does it, but that a DynamoDB value, which names its one member, is not asked for the other nine."""
    if shape.name != _VALUE or not key or not isinstance(value, dict) or not value.keys() <= shape.members.keys():
        _structure(self, serialized, value, shape, key)
        return
    wrapper = self.MAP_TYPE()
    for member, held in value.items():
        if held is not None:
            self._serialize(wrapper, held, shape.members[member], member)
    self._default_serialize(serialized, wrapper, shape, key)
