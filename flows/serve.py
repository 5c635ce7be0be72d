"""Serve: the champion's predictions over HTTP. Not a flow, and uses nothing of Prefect.

Runs until it is stopped. Needs `DAYLOOP_API_TOKEN` in its environment where others can reach it.
"""

import catalog
from core.serving import app as serving
from flows import report


def serve(model: str, *, host: str = "127.0.0.1", port: int = 8080, log: bool = False) -> None:
    """Serves the champion of a model until it is stopped, and each new one within seconds.

    At / it shows the page of `report`.

    Args:
        model: a model of the catalog.
        host: the address to listen on; 0.0.0.0 for all.
        port: the port to listen on.
        log: appends what was asked and answered to the table `<model>_requests`.
    """
    catalog.require_model(model)
    serving.serve(model, host=host, port=port, log=log, make_page=report.html)
