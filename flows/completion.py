"""Completion: the Tab key in a shell, for verbs, options, datasets and models. Not a flow."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args, get_origin

from cyclopts import Argument, ArgumentCollection

import catalog
from flows.verbs import VERBS, app

ONLY_CYCLOPTS = ("--no-", "--empty-")  # forms that the verbs do not take
# Each defines `dayloop`, in the project's folder the same as `python -m flows`.
SCRIPTS = {
    "bash": """\
dayloop() {{ '{python}' -m flows "$@"; }}
_dayloop() {{
  local IFS=$'\\n'
  COMPREPLY=($(dayloop completion bash -- "${{COMP_WORDS[@]:1:COMP_CWORD}}" 2>/dev/null))
}}
complete -o default -F _dayloop dayloop""",
    "zsh": """\
dayloop() {{ '{python}' -m flows "$@" }}
_dayloop() {{
  local found=(${{(f)"$(dayloop completion zsh -- "${{(@)words[2,CURRENT]}}" 2>/dev/null)"}})
  [[ -n $found ]] && compadd -- $found || _files
}}
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}
compdef _dayloop dayloop""",
    "fish": """\
function dayloop; '{python}' -m flows $argv; end
function _dayloop
    set -l words (commandline -opc) (commandline -ct)
    set -l found (dayloop completion fish -- $words[2..] 2>/dev/null)
    test -n "$found" && printf '%s\\n' $found || __fish_complete_path $words[-1]
end
complete -c dayloop -f -a '(_dayloop)'""",
}


def completion(shell: Literal["bash", "zsh", "fish"], *words: str) -> str:
    """Prints what switches the Tab key on; `eval` it, or in fish `source` it, at a shell's start.

    Args:
        shell: bash, zsh or fish.
        words: of a command so far, behind `--`; prints what the last of them can become.
    """
    if not words:
        return SCRIPTS[shell].format(python=sys.executable)
    return "\n".join(_candidates(words))


def _candidates(words: Sequence[str]) -> list[str]:
    """Completions of the last word, sorted; none where it is a file or a value of one's own."""
    *before, last = words
    return sorted(word for word in _possible(before, last) if word.startswith(last))


def _possible(before: Sequence[str], last: str) -> Iterable[str]:
    if not before:
        return (*VERBS, "--help") if last else VERBS
    verb, *given = before
    if verb not in VERBS:
        return ()
    taken = app[verb].assemble_argument_collection()
    options = {
        name: each for each in taken for name in each.names if not name.startswith(ONLY_CYCLOPTS)
    }
    if given and _takes_a_value(given[-1], options):
        return _values(options[given[-1]])
    if last.startswith("-"):
        return {*options, "--help", "--json"} - {*given}
    return _values(_next(taken, options, given))


def _takes_a_value(word: str, options: Mapping[str, Argument]) -> bool:
    return word in options and options[word].token_count()[0] > 0


def _next(
    taken: ArgumentCollection, options: Mapping[str, Argument], given: Sequence[str]
) -> Argument | None:
    """The argument that a word without a name is for."""
    behind = [
        word
        for before, word in zip(("", *given), given, strict=False)
        if not _takes_a_value(before, options)
    ]
    place = sum(not word.startswith("-") for word in behind)
    return next((each for each in taken if each.index == place), None)


def _values(argument: Argument | None) -> Sequence[str]:
    name = argument.field_info.name if argument else ""
    datasets, models = catalog.dataset_names(), catalog.model_names()
    known = {"dataset": datasets, "model": models}
    if argument and name == "name" and not argument.required:  # of plan: either
        return datasets + models
    return known.get(name) or _choices(argument)


def _choices(argument: Argument | None) -> Sequence[str]:
    hint = argument.hint if argument else None
    return get_args(hint) if get_origin(hint) is Literal else ()
