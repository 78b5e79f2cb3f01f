"""The schema of every verb: what can be set, in which bounds. Values live in ``conf/``.

Hydra composes YAML; ``validation.check`` turns the result into these models or refuses it with one
sentence, before torch is even imported. One file a group of ``conf/``, and one a verb.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
# inside an installed wheel, or beside src/ in a checkout
CONF = next(p for p in (_PACKAGE / "conf", _PACKAGE.parents[1] / "conf") if p.is_dir())
