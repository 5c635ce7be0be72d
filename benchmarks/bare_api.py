"""What anybody would write in ten minutes with FastAPI: python -m benchmarks.bare_api <model>.

The model is given as its artifact's path, sha256 and the port to serve on.
"""

import sys

import numpy as np
import uvicorn
from fastapi import FastAPI

from core.models.artifacts import Artifact, load


def serve(path: str, sha256: str, port: str) -> None:
    """Numpy and `predict_proba`, in a thread and without one. Runs until it is killed."""
    estimator, manifest = load(Artifact(path, sha256))
    if hasattr(estimator, "n_jobs"):
        estimator.n_jobs = 1
    names, app = manifest["features"], FastAPI()

    def scores(rows: list[dict[str, float]]) -> dict[str, list[float]]:
        numbers = np.array([[row[name] for name in names] for row in rows])
        return {"scores": estimator.predict_proba(numbers)[:, 1].tolist()}

    @app.post("/def")
    def handler(rows: list[dict[str, float]]) -> dict[str, list[float]]:
        return scores(rows)

    @app.post("/async")
    async def async_handler(rows: list[dict[str, float]]) -> dict[str, list[float]]:
        return scores(rows)

    @app.get("/health")
    def health() -> str:
        return "ok"

    uvicorn.run(app, port=int(port), log_level="critical", access_log=False)


if __name__ == "__main__":
    serve(*sys.argv[1:])
