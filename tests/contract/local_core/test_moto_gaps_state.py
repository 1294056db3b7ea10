"""What this moto lacks across restarts; when one of these turns red, its patch can go."""

import inspect

from moto.core import base_backend, responses
from moto.moto_server import werkzeug_app

from local.moto_patches import keeping
from tests.builders.gaps import justifies


@justifies(keeping._refuse_what_would_be_lost)
def test_moto_keeps_nothing_across_a_restart() -> None:
    for module in (base_backend, responses, werkzeug_app):
        assert "pickle" not in inspect.getsource(module)
