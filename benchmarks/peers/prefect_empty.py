"""A flow that does nothing: what Prefect itself takes of any flow's time."""

from prefect import flow


@flow
def nothing() -> None:
    """Does nothing."""


if __name__ == "__main__":
    nothing()
