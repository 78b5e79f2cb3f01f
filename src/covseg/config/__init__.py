"""The schema of every verb: what can be set, in which bounds. Values live in ``conf/``.

Hydra composes YAML; ``validation.check`` turns the result into these models or refuses it with one
sentence, before torch is even imported. One file a group of ``conf/``, and one a verb.
"""
