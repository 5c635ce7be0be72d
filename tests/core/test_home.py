import errno
from pathlib import Path
from threading import Thread

import pytest

from core import home
from core.errors import DayloopError, UsageError
from core.home import in_turn


@pytest.mark.parametrize("name", ["plain", "a b", "a#c", "é", "a?c", "a&+;:'c"])
def test_a_folder_of_any_usual_name_is_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import pyarrow as pa

    from core import lake

    monkeypatch.setenv("DAYLOOP_HOME", str(tmp_path / name))
    home.write_bytes("a/b", b"1")
    lake.append("t", pa.table({"a": [1]}))
    lake.append("t", pa.table({"a": [2]}))
    assert home.read_bytes("a/b") == b"1"
    assert lake.read("t").num_rows == 2
    assert sorted(entry.name for entry in (tmp_path / name).iterdir()) == ["a", "tables"]


@pytest.mark.parametrize("name", ["a%20b", "[a]"])
def test_a_folder_that_would_be_misread_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("DAYLOOP_HOME", str(tmp_path / name))
    with pytest.raises(UsageError, match="DAYLOOP_HOME"):
        home.write_bytes("a/b", b"1")


def test_the_address_is_a_folder_made_absolute_or_an_object_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for given, found, local in (
        ("", f"{tmp_path}/.dayloop", True),
        ("here/", f"{tmp_path}/here", True),
        (f"file://{tmp_path}/x", f"{tmp_path}/x", True),
        ("~/x", str(Path.home() / "x"), True),
        ("s3://bucket/loop/", "s3://bucket/loop", False),
    ):
        monkeypatch.setenv("DAYLOOP_HOME", given)
        assert (home.address(), home.is_local()) == (found, local)


def test_a_write_that_breaks_off_leaves_nothing(home: Path) -> None:
    from core import home as store

    store.write_bytes("a/b.gz", b"old")
    with pytest.raises(ValueError), store.open_write("a/b.gz") as file:
        file.write(b"new")
        raise ValueError
    assert store.read_bytes("a/b.gz") == b"old"
    assert store.listing("a") == ("b.gz",)


def test_an_object_store_never_shows_half_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYLOOP_HOME", "mock:///loop")
    home.store("")[0].create_dir("loop/a")
    with pytest.raises(ValueError), home.open_write("a/b.gz") as file:
        file.write(b"half")
        raise ValueError
    assert not home.exists("a/b.gz")
    home.write_bytes("a/b.gz", b"whole")
    assert (home.read_bytes("a/b.gz"), home.size("a/b.gz")) == (b"whole", 5)


def test_a_folder_is_published_once_and_whole(home: Path) -> None:
    from core import home as store

    assert store.publish("models/m/1", {"a": b"1", "b": b"2"})
    assert not store.publish("models/m/1", {"a": b"3"})
    assert store.read_bytes("models/m/1/a") == b"1"
    assert store.listing("models/m/1") == ("a", "b")
    assert store.listing("models/m") == ("1",)
    assert store.listing("nothing") == ()


def test_a_full_disk_is_one_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core import home as store

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for write in (lambda: store.write_bytes("a/b", b"1"), lambda: store.publish("a", {"b": b"1"})):
        with pytest.raises(DayloopError, match="cannot be written: No space left on device"):
            write()
    assert not store.exists("a/b")
    assert store.listing("a") == ()


def test_those_who_work_at_the_same_folder_wait_for_each_other(home: Path) -> None:
    done: list[str] = []

    def work(name: str) -> None:
        with in_turn("models/churn"):
            done.extend([f"{name} begins", f"{name} ends"])

    second = Thread(target=work, args=("second",))
    with in_turn("models/churn"), in_turn("models/other"):
        second.start()
        second.join(0.2)
        done.append("first ends")
    second.join()
    assert done == ["first ends", "second begins", "second ends"]
