"""Where a scaffold writes, and that it overwrites nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path

from core import home
from core.errors import UsageError


@dataclass(frozen=True)
class Targets:
    """The files that are written; none may be there."""

    kind: str
    name: str
    code: Path
    test: Path
    stanzas: Path

    @classmethod
    def of(cls, kind: str, name: str) -> "Targets":
        """Where they lie.

        Raises:
            UsageError: one of them is there already, or the name is one of Python's words.
        """
        if iskeyword(name):
            raise UsageError(f"'{name}' is a word of Python's own; take another name")
        folder, root = f"{kind}s", home.PROJECT
        code = root / "catalog" / folder / f"{name}.py"
        test = root / "tests" / "catalog" / folder / f"test_{kind}_{name}.py"
        for file in (code, test):
            if file.exists():
                raise UsageError(
                    f"{file.relative_to(root)} is there already; take another name, or remove it"
                )
        stanzas = root / "prefect.yaml"
        if not stanzas.exists():
            raise UsageError("there is no prefect.yaml beside the code; call this in a checkout")
        return cls(kind, name, code, test, stanzas)

    def write(self, code: str, test: str, stanzas: Callable[[str, str], str]) -> None:
        """Writes them; the code last, so that a half-done run leaves no dataset behind."""
        text = self.stanzas.read_bytes().decode()  # its line ends stay as they are
        self.stanzas.write_bytes(stanzas(text, self.name).encode())
        for file, content in ((self.test, test), (self.code, code)):
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as opened:
                opened.write(content)

    def shown(self) -> tuple[str, ...]:
        """Their paths in the project."""
        files = (self.code, self.test, self.stanzas)
        return tuple(str(file.relative_to(home.PROJECT)) for file in files)
