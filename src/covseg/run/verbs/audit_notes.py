"""What ``covseg.explore`` has found among the images that a run scores, beside copies."""

from covseg.data import findings
from covseg.data.datamodule import XrayDataModule
from covseg.data.findings import COPIES, KINDS
from covseg.report.meaning import MEANINGS


def audit_notes(data: XrayDataModule, part: str) -> list[str]:
    """A sentence for each kind of finding; none where ``covseg.explore`` has not seen the data.

    Raises:
        RunError: findings that cannot be read.
    """
    path = findings.cached(data.data.cache_dir, data.store.fingerprint)
    if not path.exists():
        return []
    scored = {data.index.rows[row].key for row in data.rows(part)}
    concerned = [f for f in findings.read(path) if f.a in scored or f.b in scored]
    sentences = []
    for kind in (kind for kind in KINDS if kind not in COPIES):
        images = {key for f in concerned if f.kind == kind for key in (f.a, f.b) if key in scored}
        if images:
            what = MEANINGS[kind].what
            sentences.append(
                f"{len(images):,} image(s) of {part}: {what} ({kind} of covseg.explore)"
            )
    return sentences
