"""deliverkit finds out why mail does not arrive.

The verbs, blocking; ``deliverkit.aio`` has the same ones as coroutines. Imports are lazy: ``import deliverkit``
costs nothing until a verb is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["World", "__version__", "audit", "check_host", "discover_dmarc", "probe", "verify"]

if TYPE_CHECKING:
    from deliverkit.blocking import audit, check_host, discover_dmarc, probe, verify
    from deliverkit.world import World


def __getattr__(name: str) -> Any:
    if name == "World":
        from deliverkit.world import World

        return World
    if name in __all__:
        from deliverkit import blocking

        return getattr(blocking, name)
    raise AttributeError(f"module 'deliverkit' has no attribute {name!r}")
