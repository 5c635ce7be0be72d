"""Every service that we do not speak ourselves, through apprise (imported only where used)."""

import asyncio
import logging
from typing import Any

from core.alerting.addresses import AddressRefused, aside, is_listed, resolve
from core.alerting.alerts import Message, shorten
from core.alerting.webhooks import Answer

APPRISE_SECONDS = 30.0


def _instance(address: str) -> Any:
    import apprise

    # Its log lines hold whole addresses, those of the HTTP library below it at DEBUG.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    logging.getLogger("urllib3").setLevel(logging.INFO)
    asset = apprise.AppriseAsset(http_redirects=False)
    return apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)


def host_of(address: str) -> str | None:
    """The host that an apprise address names; empty where its service has a fixed one.

    Returns:
        None where apprise cannot make anything of the address.
    """
    made = _instance(address)
    if made is None:
        return None
    # Where no template has a {host}, what stands in its place is a token.
    if not any("{host}" in str(template) for template in made.templates):
        return ""
    return str(getattr(made, "smtp_host", "") or made.host or "")


async def send(address: str, message: Message, text: str) -> Answer:
    """Sends through apprise; it says no more than whether that worked.

    Its host is checked before, but apprise looks it up again itself.
    """
    try:
        made, host = _instance(address), host_of(address)
        title = shorten(message.headline, made.title_maxlen or 250)
        body = shorten(text, made.body_maxlen)
        async with asyncio.timeout(APPRISE_SECONDS):
            if host:
                await resolve(host, made.port or 0)
            else:
                is_listed(address.partition("://")[0])
            sent = await aside(lambda: made.notify(body=body, title=title))
    except TimeoutError:
        return Answer("retry", f"not sent within {APPRISE_SECONDS:.3g} s")
    except AddressRefused as error:
        return Answer("retry", f"not called: {error}")
    except OSError:
        return Answer("retry", "its host name has no address")
    except Exception as error:  # what its plugins raise may hold the address
        return Answer("retry", f"apprise failed with {type(error).__name__}")
    return Answer("ok", "sent") if sent else Answer("retry", "apprise could not send it")
