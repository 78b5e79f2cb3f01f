"""The few errors that a user can cause: each is one sentence with place, cause and remedy.

Nothing else in covseg composes prose for a failing user. A verb prints the sentence and ends with
exit code 1, without a traceback; ``HYDRA_FULL_ERROR=1`` brings the traceback back.
"""

import difflib
import signal
from collections.abc import Iterable

_QUESTION = "did you mean"
_FEW = 20  # choices that a sentence can name
_LONGEST = 400  # characters of a part of a sentence, which can quote any file
_LONGEST_VALUE = 120


class CovsegError(Exception):
    """A mistake that the user can correct.

    Args:
        where: the file, or the configuration key with its value.
        cause: what is wrong with it, continuing the sentence after ``where``.
        remedy: what to do, a sentence of its own without the full stop.
    """

    exit_code = 1

    def __init__(self, where: object, cause: str, remedy: str) -> None:
        super().__init__(where, cause, remedy)
        end = "?" if remedy.startswith(_QUESTION) else "."
        parts = [shortened(part, _LONGEST) for part in (where, cause, remedy)]
        self.sentence = "{} {}: {}{}".format(*parts, end)

    def __str__(self) -> str:
        return self.sentence


class ConfigError(CovsegError):
    """The configuration asks for something that does not exist or cannot be."""


class DataError(CovsegError):
    """The dataset on disk is not what covseg can train or score on."""


class DataMissing(DataError):  # noqa: N818  it is one of the errors above
    """The dataset is not where the configuration says it is."""


class RunError(CovsegError):
    """A run folder, or a checkpoint in it, cannot be used."""


class Pruned(CovsegError):  # noqa: N818  it is no error of the user's
    """A search has ended a trial early, because others were better."""


class TrainingError(CovsegError):
    """Training cannot continue."""


class Crash(TrainingError):  # noqa: N818  it is one of the errors above
    """A process of a run met an error that covseg does not know; the log has its traceback."""


class Stopped(KeyboardInterrupt):
    """The work was ended by Ctrl-C or another signal.

    Args:
        number: of the signal. Ctrl-C has the exit code that shells expect; every other signal has
            the one that asks for a restart (EX_TEMPFAIL of sysexits.h).
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 130 if number == signal.SIGINT else 75
        self.sentence = f"stopped by {signal.Signals(number).name}"


def setting(key: object, value: object) -> str:
    """A key with its value as on a command line: ``trainer.devices=[0,1]``."""
    return f"{key}={shortened(_written(value), _LONGEST_VALUE)}"


def reason_of(error: BaseException) -> str:
    """The first line of a library's error, or the name of its class where it has no text."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def shortened(text: object, longest: int) -> str:
    """A text on one line, without control characters, with its middle left out if it is long."""
    line = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in str(text))
    half = longest // 2
    return line if len(line) <= longest else f"{line[:half]}...{line[-half:]}"


def _written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{_written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    if value is None:
        return "null"
    if isinstance(value, int) and not -(2**64) < value < 2**64:
        return hex(value)  # Python writes no number of thousands of digits
    return str(value).lower() if isinstance(value, bool) else str(value)


def nearest(word: str, choices: Iterable[str], above: str = "") -> str:
    """The remedy that names the choice nearest to ``word``, or all choices if none is near.

    Args:
        word: what was written.
        choices: what could have been.
        above: put before the choice that is named, e.g. ``trainer.``.
    """
    known = sorted(choices)
    if close := difflib.get_close_matches(word, known, n=1):
        return f"{_QUESTION} {above}{close[0]}"
    return f"choose from {', '.join(known)}" if 0 < len(known) <= _FEW else "see --help"


def nearest_key(key: str, known: Iterable[str]) -> str:
    """The remedy for an unknown key: a sibling, else a key of that name elsewhere.

    Args:
        key: dotted, as it was written.
        known: every dotted key that exists.
    """
    known = sorted(set(known))
    above, dot, last = key.rpartition(".")
    siblings = [k.rpartition(".")[2] for k in known if k.rpartition(".")[0] == above]
    beside = nearest(last, siblings, above + dot)
    if beside.startswith(_QUESTION):
        return beside
    names = {k.rpartition(".")[2] for k in known}
    known_by_name = above or last in names or "/" in last  # a group: no key has such a name
    close = [last] if known_by_name else difflib.get_close_matches(last, names, n=2)
    if elsewhere := [k for k in known if k.rpartition(".")[2] in close]:
        return f"{_QUESTION} {' or '.join(elsewhere)}"
    return beside
