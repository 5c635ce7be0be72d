"""The day as a Metaflow flow: python metaflow_day.py run."""

import day
from metaflow import FlowSpec, step


class Load(FlowSpec):
    """Loads the day."""

    @step
    def start(self) -> None:
        """Reads; the name is Metaflow's."""
        self.rows = day.read()
        self.next(self.check)

    @step
    def check(self) -> None:
        """Parts good rows and bad ones."""
        self.good, self.bad = day.check(self.rows)
        self.next(self.end)

    @step
    def end(self) -> None:
        """Writes both."""
        day.write(self.good, self.bad)


if __name__ == "__main__":
    Load()
