"""Which hosts may be called: an allow-list, and nothing private unless it is allowed.

`DAYLOOP_ALLOWED_HOSTS` names hosts or patterns such as `*.example.com`, comma-separated;
where it is set no other host is called. `DAYLOOP_ALLOW_PRIVATE=1` allows private addresses.
This very machine, written out, is allowed by being named; a name that leads to it is not.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Coroutine
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, TypeVar

from core.errors import DayloopError

T = TypeVar("T")


class AddressRefused(DayloopError):
    """The host is not one that may be called."""


# IANA's special-purpose registries (RFC 6890 and later), with Azure's host address; the
# ipaddress module of this Python calls 192.0.0.192 and 224.0.0.1 global.
_SPECIAL = [
    ip_network(net)
    for net in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
        *("168.63.129.16/32", "2001::/23", "2001:db8::/32", "3fff::/20"),
    )
]
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_GLOBAL_V6 = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, also inside a 6to4 or NAT64 one."""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found in _NAT64:
            return is_public(str(IPv4Address(int(found) & 0xFFFFFFFF)))
        if found.sixtofour:
            return is_public(str(found.sixtofour))
        if found not in _GLOBAL_V6:
            return False
    return not any(found in net for net in _SPECIAL if net.version == found.version)


def allowed_hosts() -> tuple[str, ...]:
    """`DAYLOOP_ALLOWED_HOSTS`: names or patterns such as `*.example.com`, comma-separated."""
    text = os.environ.get("DAYLOOP_ALLOWED_HOSTS", "")
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


def is_listed(name: str) -> bool:
    """Whether a host (or a kind of receiver that has none) is in the allow-list.

    Raises:
        AddressRefused: there is an allow-list, and it is not.
    """
    patterns = allowed_hosts()
    if any(fnmatchcase(name.lower(), pattern) for pattern in patterns):
        return True
    if patterns:
        raise AddressRefused("its host is not in DAYLOOP_ALLOWED_HOSTS")
    return False


async def resolve(host: str, port: int, *, encrypted: bool = True) -> list[str]:
    """The IP addresses of a host that may be called; the caller connects to one of these.

    Raises:
        AddressRefused: not in the allow-list, private, or public without encryption.
        OSError: the name has no address.
    """
    listed = is_listed(host) or os.environ.get("DAYLOOP_ALLOW_PRIVATE") == "1"
    listed = listed or host.lower() in _THIS_MACHINE
    found = await aside(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not listed:
        addresses = [address for address in addresses if is_public(address)]
        if not addresses:
            raise AddressRefused(
                "its address is private or special: set DAYLOOP_ALLOW_PRIVATE=1 or name "
                "its host in DAYLOOP_ALLOWED_HOSTS"
            )
        if not encrypted:
            raise AddressRefused("it is on the internet without encryption: use https")
    return addresses


async def aside(call: Callable[[], T]) -> T:
    """Runs a blocking call where giving up on it holds nothing else up, not even the exit."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(setter: Callable[..., None], value: object) -> None:
        if not done.done():
            setter(value)

    def work() -> None:
        outcome: tuple[Callable[..., None], object]
        try:
            outcome = (done.set_result, call())
        except Exception as error:
            outcome = (done.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is over: nobody waits any more
            loop.call_soon_threadsafe(tell, *outcome)

    threading.Thread(target=work, daemon=True).start()
    return await done


def outside_loop(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs a coroutine to its end, also where the caller is inside an event loop."""
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(asyncio.run(make()))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)  # a cancelled run must not wait for it
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
