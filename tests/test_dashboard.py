"""``covseg.dashboard``: what it writes, and what arrives at W&B."""

import json

import pytest

from covseg.measure.scores import SCORES
from wandb_server import wandb_server

pytest.importorskip("wandb_workspaces")


def names_in(value: object) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(names_in, value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*map(names_in, value)) if value else set()
    return {value} if isinstance(value, str) else set()


def test_the_specification_is_written_without_anybody_being_asked(verb, tmp_path):
    words = ("upload=false", "split=Val", "keys=[model.depth]", "hydra.run.dir=made")
    done = verb("dashboard", *words)
    assert done.code == 0, done.err
    assert done.out.rstrip().endswith(f"specification: {tmp_path}/made")
    text = (tmp_path / "made" / "workspace.json").read_text()
    json.loads(text)
    for name in ("Val/dice_positive_low", "train/lr", "pictures", "Val/images"):
        assert name in text, name
    columns = json.loads(text)["spec"]["section"]["runSets"][0]["runFeed"]["columnPinned"]
    assert columns["config:model.value.depth"]
    assert columns["summary:Val/dice_positive_high"]
    shown = {name.partition("/")[2] for name in names_in(json.loads(text)) if "val/" in name[:4]}
    assert shown <= {*SCORES, "loss"}


def test_workspace_and_report_arrive_at_the_project(command, tmp_path):
    with wandb_server() as server:
        words = ("project=covseg", "entity=us", "hydra.run.dir=made")
        done = command("dashboard", *words, HOME=str(tmp_path), **server.environment)
        assert done.code == 0, done.err
        views = {view["type"]: view for view in server.views}
        assert {view["entityName"] for view in views.values()} == {"us"}
        for kind, name in (("project-view", "workspace"), ("runs", "report")):
            written = json.loads((tmp_path / "made" / f"{name}.json").read_text())
            sent = json.loads(views[kind]["spec"])
            assert sent.keys() == written["spec"].keys()
        assert server.unknown == []


def test_without_a_key_it_is_one_sentence(command, tmp_path):
    done = command("dashboard", HOME=str(tmp_path), WANDB_BASE_URL="http://127.0.0.1:9")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "wandb login, or set upload=false" in done.err
