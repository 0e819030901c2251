"""All state in one pickle: apart, moto's backends would come back as strangers to each other."""

import copyreg
import io
import pickle
from threading import Lock, RLock
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from moto.core.base_backend import BackendDict
from moto.moto_api._internal import mock_random

from holdfast_sandbox.aws.world import World

FORMAT = 1


def _new_lock() -> Any:
    return Lock()


def _new_rlock() -> Any:
    return RLock()


def _key(der: bytes) -> Any:
    return serialization.load_der_private_key(der, None)


copyreg.pickle(type(Lock()), lambda _: (_new_lock, ()))
copyreg.pickle(type(RLock()), lambda _: (_new_rlock, ()))


class _Pickler(pickle.Pickler):
    """Knows private keys: KMS makes one for every account with an encrypted volume."""

    def reducer_override(self, obj: object) -> Any:
        """How a private key is written; everything else as usual."""
        if not isinstance(obj, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            return NotImplemented
        der = obj.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return _key, (der,)


def dump(world: World) -> bytes:
    """Everything that a restart shall find again. Call it under the emulator's lock."""
    registry: list[Any] = BackendDict._instances  # type: ignore[misc]  # noqa: SLF001 - moto's
    held = {
        backend.service_name: {
            account: dict(regions.items()) for account, regions in backend.items()
        }
        for backend in registry
    }
    written = io.BytesIO()
    state = (FORMAT, held, world.state, mock_random.getstate(), world.faults.all())
    _Pickler(written).dump(state)
    return written.getvalue()


def load(world: World, raw: bytes) -> None:
    """Put a dump of this version in place. Raises ValueError for another version's."""
    form, held, state, chance, faults = pickle.loads(raw)
    if form != FORMAT:
        raise ValueError(f"the snapshot has format {form}, this sandbox reads {FORMAT}")
    from moto.backends import get_backend  # noqa: PLC0415 - imports the service it is asked for

    for service, by_account in held.items():
        target = get_backend(service)
        target.clear()
        for account, regions in by_account.items():
            for region, backend in regions.items():
                dict.__setitem__(target[account], region, backend)
    world.state = state
    mock_random.setstate(chance)
    world.faults.clear()
    for fault in faults:
        world.faults.add(fault)
