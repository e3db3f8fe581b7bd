"""What the library advises, in the words of the command line: its arguments are options, its functions commands."""

from __future__ import annotations

import re

from videotcav.errors import VideotcavError

COMMANDS = {
    "accept": "videotcav concepts accept --all",
    "faithfulness": "videotcav faithfulness",
    "init": "videotcav init",
    "layers": "videotcav layers",
    "mark": "videotcav concepts mark",
    "paper": "videotcav paper",
    "probe": "videotcav probe",
    "propose": "videotcav concepts propose",
    "report": "videotcav report",
    "review": "videotcav concepts review",
    "run": "videotcav run",
}
OPTIONS = {"class_name": "class", "class_names": "names"}
OPTIONS_OF = {"init": {"target": "class", "layers": "layer"}}
"""Arguments that have another name as options, everywhere and of one command."""

_CALL = re.compile(r"(\w+)\((.*)\)")
_ARGUMENT = re.compile(r"(\w+)(?:=(.*))?")


def worded(error: VideotcavError) -> str:
    """The error's message and hint, with what stands between the hint's backticks as one would type it."""
    hint = re.sub(r"`([^`]+)`", lambda found: _typed(found[1]), error.hint)
    return "; ".join(filter(None, (error.message, hint)))


def _typed(code: str) -> str:
    code = code.replace('"', "")
    called = _CALL.fullmatch(code)
    if called and called[1] in COMMANDS:
        own = OPTIONS_OF.get(called[1], {})
        given = (_option(each, own) if "=" in each else each for each in re.split(r", (?=\w+=)", called[2]))
        return f"'{' '.join([COMMANDS[called[1]], *given]).rstrip()}'"
    return _option(code, {})


def _option(code: str, own: dict[str, str]) -> str:
    argument = _ARGUMENT.fullmatch(code)
    if argument is None:
        return code
    name, value = argument[1], argument[2]
    return f"--{(OPTIONS | own).get(name, name).replace('_', '-')}" + ("" if value in {None, "True"} else f" {value}")
