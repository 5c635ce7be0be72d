"""What a person at a terminal meets: help, mistakes, the Tab key, progress, colours."""

import inspect
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core import progress as pace
from flows import progress, signatures
from flows.verbs import VERBS
from tests.conftest import ROOT, Project
from tests.flows.terminal import on_a_terminal

WITHOUT = ("prefect", "pandas", "pandera", "sklearn", "deltalake")


def python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )


def flows(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_help_of_every_verb_and_every_mistake_come_without_a_library_that_takes_seconds():
    code = f"""
import sys
from flows.__main__ import main
for verb in {[*VERBS]}:
    assert main([verb, "--help"]) == 0, verb
assert main(["--help"]) == 0
assert main(["etl", "sale"]) == main(["etl", "sales", "--day", "soon"]) == 2
print("loaded:", sorted(set({WITHOUT}) & set(sys.modules)))
"""
    said = python(code)

    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[-1] == "loaded: []"
    assert "the day to load, UTC; yesterday when left out" in said.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_read_of_a_verb_is_what_it_takes(verb: str):
    read = signatures.signature(verb.replace("-", "_"))
    real = signatures.load(read)
    real = getattr(real, "fn", real)

    assert inspect.signature(read).parameters == inspect.signature(real).parameters
    assert inspect.getdoc(read) == inspect.getdoc(real)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["etl"], "requires an argument"),
        (["etl", "sales", "--dya", "3"], "Did you mean --day?"),
        (["etl", "sales", "--day", "soon"], 'unable to convert "soon" into date'),
        (["diagnose", "churn"], "'churn' is more than it takes; --help"),
        (["retire", "churn", "1", "--by", "", "--reason", "x"], "at least 1 character; --help"),
        (["elt", "sales"], "no verb 'elt'; did you mean 'etl'?"),
        (["new-model", "quiet", "sale"], "no dataset 'sale'; did you mean 'sales'?"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(words: list[str], said: str):
    done = flows(*words)

    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("dayloop: ") and said in line


def completed(*words: str) -> list[str]:
    done = flows("completion", "bash", "--", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_the_tab_key_knows_verbs_names_and_options():
    assert completed("ret") == ["retire", "retrain"]
    assert completed("etl", "") == completed("new-model", "quiet", "") == ["sales"]
    assert completed("plan", "") == ["churn", "sales"]
    assert completed("etl", "--day", "1998-04-01", "s") == ["sales"]
    assert completed("why", "--model", "c") == ["churn"]
    assert completed("diff", "sales", "--json", "--") == ["--dataset", "--from", "--help", "--to"]
    assert completed("new", "orders", "") == []  # a file: the shell's own
    assert completed("nothing", "") == []


def test_bash_completes_dayloop():
    script = """
eval "$("$0" -m flows completion bash)"
COMP_WORDS=(dayloop retrain ''); COMP_CWORD=2; _dayloop; echo "${COMPREPLY[@]}"
dayloop --help | head -1
"""
    command = ["bash", "-c", script, sys.executable]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)

    assert done.stdout.splitlines() == ["churn", "Usage: python -m flows COMMAND"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
def test_fish_completes_dayloop():
    script = f"'{sys.executable}' -m flows completion fish | source; complete -C 'dayloop etl s'"
    command = ["fish", "--no-config", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)

    assert done.stdout.split() == ["sales"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")
def test_zsh_takes_what_is_printed_for_it():
    script = 'compdef() { echo "$@" }; eval "$("$0" -m flows completion zsh)"; dayloop --help'
    command = ["zsh", "-f", "-c", script, sys.executable]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)

    assert done.stdout.splitlines()[:2] == ["_dayloop dayloop", "Usage: python -m flows COMMAND"]


WORK = """
import logging
from pathlib import Path
from flows import progress
progress.KEPT, progress.QUIET_SECONDS = Path({kept!r}), 0
log = logging.getLogger("dayloop")
with progress.line(["retrain", "churn", "--as-of", "1998-04-01"]) as line:
    progress.listen(line, {verb!r})
    log.info("a line of the log")
    log.warning("a warning")
    log.info("2 of 3 candidates", extra={{"step": True}})
"""


def test_on_a_terminal_a_line_says_how_far_work_is_and_goes_away_at_the_end(tmp_path: Path):
    kept = tmp_path / "took.json"

    said = on_a_terminal("-c", WORK.format(kept=str(kept), verb="retrain"))

    assert re.search(r"\d\d:\d\d:\d\d  a line of the log", said)
    assert re.search(r"retrain churn: \d+ s; 2 of 3 candidates", said)
    assert said.endswith("\x1b[2K")  # the line is cleared
    assert list(json.loads(kept.read_text())) == ["retrain churn"]


def test_where_nobody_watches_only_warnings_are_said_unless_the_rest_is_asked_for(tmp_path: Path):
    kept = str(tmp_path / "took.json")
    code = WORK.format(kept=kept, verb="retrain")

    assert [line[10:] for line in python(code).stderr.splitlines()] == ["a warning"]
    asked = python(code, PREFECT_LOGGING_LEVEL="INFO").stderr.splitlines()
    assert [line[10:] for line in asked] == ["a line of the log", "a warning", "2 of 3 candidates"]
    serve = WORK.format(kept=kept, verb="serve")  # a container's log is all there is of it
    assert "a line of the log" in python(serve).stderr
    assert [*tmp_path.iterdir()] == []


def test_how_long_a_verb_took_is_the_estimate_of_the_next_time():
    assert "about 20 s left" in str(progress.Line("retrain churn", 20.4).__rich__())
    late = progress.Line("retrain churn", 20.4)
    late.began -= 30
    assert str(late.__rich__()) == "retrain churn: 30 s; longer than the last time"


def test_long_work_says_how_much_is_done_and_left(monkeypatch, caplog):
    monkeypatch.setattr(pace, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(logging.getLogger("dayloop"), "propagate", True)

    with caplog.at_level("INFO", "dayloop"):
        assert [*pace.each("abc", "letters")] == [*"abc"]

    assert caplog.messages == [f"letters: {n} of 3, nearly done" for n in (1, 2)]
    assert all(record.step for record in caplog.records)
    assert pace.time_left(1, 4, 60) == "about 0:03:00 left"


def test_under_cron_the_heartbeat_says_nothing_where_all_is_well(tmp_path: Path):
    env = {"DAYLOOP_HOME": str(tmp_path / "home")}  # nothing has begun, so nothing is late
    code = "import sys; from flows.__main__ import main; sys.exit(main(['heartbeat']))"
    command = [sys.executable, "-c", code]
    cron = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert (cron.returncode, cron.stdout, cron.stderr) == (0, "", "")
    assert "not begun" in on_a_terminal("-c", code, **env)


def test_no_color_is_honoured_and_off_a_terminal_there_is_none():
    code = """
from flows import show
show.table("A title", ("name", "rows#"), [("sales", 1)])
from flows.__main__ import main
main(["etl", "--help"])
"""
    colour = re.compile(r"\x1b\[[0-9;]*3[0-9]m")
    plain = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}

    assert colour.search(on_a_terminal("-c", code, **plain, NO_COLOR="")) is not None
    assert colour.search(on_a_terminal("-c", code, NO_COLOR="1")) is None
    assert "\x1b" not in python(code).stdout


def test_a_server_that_does_not_answer_is_one_line(project: Project) -> None:
    done = project.run(
        "etl", "sales", "--day", "1998-04-01", PREFECT_API_URL="http://127.0.0.1:9/api"
    )
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("dayloop: Prefect's ser")]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["alerts"], ["alerts", "--json"]])
def test_a_reader_that_has_read_enough_is_told_nothing(words: list[str], tmp_path: Path):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "flows", *words]
    env = {**os.environ, "DAYLOOP_HOME": str(tmp_path)}
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdout=writing, stderr=subprocess.PIPE, timeout=120
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
