"""Pickle with what moto's state holds besides plain objects: locks, bytes in files, keys and references to services."""

import copyreg
import io
import os
import pickle
import shutil
import tempfile
import threading
import types
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from moto.core.base_backend import BackendDict, BaseBackend
from moto.s3.models import FakeKey

_BODIES = "bodies"
_LOCK, _RLOCK = type(threading.Lock()), type(threading.RLock())
_PRIVATE_KEYS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)
Reduced = tuple[Any, ...]


class Anchors:
    """Objects that a state refers to and does not hold: one's own by name, moto's services by theirs."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = dict(named)
        self._names = {id(value): name for name, value in named.items()}

    def name(self, found: Any) -> tuple[str, ...] | None:
        if name := self._names.get(id(found)):
            return ("anchor", name)
        if isinstance(found, BaseBackend):
            return ("backend", *_home(type(found)), found.account_id, found.region_name)
        return ("backends", *_home(found.backend)) if isinstance(found, BackendDict) else None

    def find(self, name: tuple[str, ...]) -> Any:
        if name[0] == "anchor":
            return self._named[name[1]]
        backends = _backends_of(name[1], name[2])
        return backends[name[3]][name[4]] if name[0] == "backend" else backends


def _home(kind: type) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__


def _backends_of(module: str, kind: str) -> Any:
    """The BackendDict that moto keeps beside the class of a service's backend."""
    known = vars(__import__(module, fromlist=["*"]))
    return next(value for value in known.values() if isinstance(value, BackendDict) and value.backend is known[kind])


class Pickler(pickle.Pickler):
    """Args:
    folder: where the bytes of large objects go.
    """

    def __init__(self, file: IO[bytes], anchors: Anchors, folder: Path) -> None:
        super().__init__(file, protocol=5)
        self._anchors = anchors
        self._bodies = folder / _BODIES
        self._bodies.mkdir()
        self._written: dict[int, str] = {}

    def persistent_id(self, found: Any) -> tuple[str, ...] | None:
        if isinstance(found, io.BufferedRandom | io.BufferedReader):
            return ("body", self._body(found))
        return self._anchors.name(found)

    def reducer_override(self, found: Any) -> Any:
        for kind, reduce in _REDUCERS.items():
            if isinstance(found, kind):
                return reduce(found)
        return NotImplemented

    def _body(self, file: Any) -> str:
        """Copies of an object share one file, here as there."""
        inode = os.fstat(file.fileno()).st_ino
        if inode not in self._written:
            name = str(len(self._written))
            _keep_file(file.fileno(), self._bodies / name)
            self._written[inode] = name
        return self._written[inode]


class Unpickler(pickle.Unpickler):
    """Reads what `Pickler` wrote into the same folder; the folder is this machine's own and is trusted."""

    def __init__(self, file: IO[bytes], anchors: Anchors, folder: Path) -> None:
        super().__init__(file)
        self._anchors = anchors
        self._bodies = folder / _BODIES

    def persistent_load(self, name: Any) -> Any:
        if name[0] == "body":
            return (self._bodies / name[1]).open("rb")
        return self._anchors.find(name)


def _keep_file(descriptor: int, path: Path) -> None:
    """Give the bytes of an open file, which may have no name, a name: without copying them where the system can."""
    source = Path(f"/proc/self/fd/{descriptor}")
    try:
        os.link(source, path, follow_symlinks=True)
    except OSError:
        with source.open("rb") as file, path.open("wb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)


# What pickle cannot do by itself --------------------------------------------------------------------------------------


def _bare(found: Any) -> Reduced:
    """Past the object's own way, which would read whole bodies."""
    return copyreg.__newobj__, (type(found),), dict(vars(found)), None, None, _give_back  # type: ignore[attr-defined]


def _key(found: FakeKey) -> Reduced:
    """moto closes what nobody reads any more, such as the parts of an upload whose object is complete."""
    reduced = _bare(found)
    if found.disposed:
        reduced[2]["_value_buffer"] = io.BytesIO()
    return reduced


def _give_back(new: Any, state: dict[str, Any]) -> None:
    vars(new).update(state)


def _spooled(file: Any) -> Reduced:
    file.seek(0)
    return _unspooled, (file.read(), file._max_size)  # noqa: SLF001 - nothing else tells it


def _unspooled(content: bytes, max_size: int) -> Any:
    file = tempfile.SpooledTemporaryFile(max_size=max_size)  # noqa: SIM115 - the object that it belongs to closes it
    file.write(content)
    return file


def _private_key(key: Any) -> Reduced:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return _loaded_key, (key.private_bytes(*form),)


def _loaded_key(pem: bytes) -> Any:
    return serialization.load_pem_private_key(pem, None)


def _open_defaults(found: Any) -> Any:
    """A defaultdict whose factory is a function of its owner's: the new owner has its own, see `merge`."""
    factory = found.default_factory
    if isinstance(factory, types.FunctionType) and "<locals>" in factory.__qualname__:
        return dict, (), None, None, iter(found.items())
    return NotImplemented if type(found) is defaultdict else _bare_dict(found)


def _bare_dict(found: Any) -> Any:
    """A dictionary of moto's own kind, as it is inside: some of them show and take less than they hold."""
    if not type(found).__module__.startswith("moto."):
        return NotImplemented
    state = (list(dict.items(found)), getattr(found, "default_factory", None), dict(vars(found)))
    return copyreg.__newobj__, (type(found),), state, None, None, _fill  # type: ignore[attr-defined]


def _fill(new: Any, state: tuple[list[tuple[Any, Any]], Any, dict[str, Any]]) -> None:
    items, factory, attributes = state
    dict.update(new, items)
    vars(new).update(attributes)
    if factory is not None:
        new.default_factory = factory


_REDUCERS: dict[Any, Callable[[Any], Any]] = {
    FakeKey: _key,
    tempfile.SpooledTemporaryFile: _spooled,
    _LOCK: lambda _: (threading.Lock, ()),
    _RLOCK: lambda _: (threading.RLock, ()),
    _PRIVATE_KEYS: _private_key,
    weakref.WeakValueDictionary: lambda found: (weakref.WeakValueDictionary, (dict(found),)),
    defaultdict: _open_defaults,
    dict: _bare_dict,
}


def merge(fresh: dict[str, Any], kept: Mapping[str, Any]) -> None:
    """Put a kept state into the attributes of a new object; a defaultdict of the new one keeps its factory."""
    for name, value in kept.items():
        present = fresh.get(name)
        if isinstance(present, defaultdict) and not isinstance(value, defaultdict):
            present.clear()
            present.update(value)
        else:
            fresh[name] = value
