"""Which addresses are near: this machine's, or of private networks."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address


@lru_cache(maxsize=4096)
def near(peer: str) -> bool:
    """Whether a peer is near; a Unix socket, which has no address, is."""
    if not peer:
        return True
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return bool(plain.is_loopback or plain.is_private or plain.is_link_local)
