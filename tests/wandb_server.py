"""A stand-in for W&B's server on the loopback interface: what wandb 0.31 asks of one.

It keeps what arrives as the real one does: a row of the history replaces the one at its place, so
that a run that is uploaded again replaces the one before. It can also hang, fail, or refuse a key.
"""

import base64
import contextlib
import gzip
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_OPERATION = re.compile(r"(?:query|mutation)\s+(\w+)")
_STREAM = re.compile(r"/files/[^/]+/([^/]+)/([^/]+)/file_stream")


@dataclass
class Run:
    """A run as it has arrived."""

    project: str = ""
    name: str = ""
    group: str = ""
    job_type: str = ""
    tags: list[str] = field(default_factory=list)
    sweep: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, dict[int, str]] = field(default_factory=dict)  # file -> place -> line
    files: dict[str, bytes] = field(default_factory=dict)
    exit_code: int | None = None

    @property
    def history(self) -> list[dict[str, Any]]:
        lines = self.lines.get("wandb-history.jsonl", {})
        return [json.loads(lines[place]) for place in sorted(lines)]

    @property
    def summary(self) -> dict[str, Any]:
        lines = self.lines.get("wandb-summary.json", {})
        return json.loads(lines[max(lines)]) if lines else {}

    def column(self, name: str) -> list[tuple[int, float]]:
        """A curve: (step, value)."""
        return [(int(row["trainer/global_step"]), row[name]) for row in self.history if name in row]


class WandbServer(ThreadingHTTPServer):
    """The server.

    Attributes:
        mode: ``ok``, ``hang``, ``500`` or ``401``.
        runs: by their ids.
        artifacts: name of an artifact -> path -> content.
        unknown: operations that have no answer here.
        jobs: commands for a sweep's agent, one each time that it asks.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.mode = "ok"
        self.runs: dict[str, Run] = {}
        self.artifacts: dict[str, dict[str, bytes]] = {}
        self.views: list[dict[str, Any]] = []
        self.unknown: list[str] = []
        self.jobs: list[dict[str, Any]] = []
        self.sweeps: list[str] = []
        self.uploads: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes ``wandb`` use it."""
        return {
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": "a" * 40,
            "WANDB_ERROR_REPORTING": "false",
        }

    def run(self, run_id: str) -> Run:
        return self.runs.setdefault(run_id, Run())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error here."""


@contextlib.contextmanager
def wandb_server() -> Iterator[WandbServer]:
    server = WandbServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WandbServer

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self._answer(self.server.uploads.get(self.path, b"{}"))

    def do_PUT(self) -> None:
        content = self._content()
        self.server.uploads[self.path] = content
        _, kind, owner, path = self.path.split("/", 3)
        if kind == "run":
            self.server.run(owner).files[path] = content
        else:
            self.server.artifacts.setdefault(owner, {})[path] = content
        self._answer({})

    def do_POST(self) -> None:
        content = self._content()
        if self.server.mode == "hang":
            time.sleep(300)
        elif self.server.mode in {"500", "401"}:
            self._answer({"errors": [{"message": "no"}]}, int(self.server.mode))
        elif match := _STREAM.match(self.path):
            self._stream(self.server.run(match[2]), json.loads(content))
        else:
            asked = json.loads(content)
            operation = _OPERATION.search(asked["query"])
            name = operation[1] if operation else "?"
            answer = getattr(self, f"_{_snake(name)}", None)
            if answer is None:
                self.server.unknown.append(name)
                self._answer({"data": {}})
            else:
                self._answer({"data": answer(asked.get("variables") or {})})

    def _content(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            content = b"".join(parts)
        else:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        zipped = self.headers.get("Content-Encoding") == "gzip"
        return gzip.decompress(content) if zipped else content

    def _answer(self, value: Any, code: int = 200) -> None:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, run: Run, sent: dict[str, Any]) -> None:
        for name, part in (sent.get("files") or {}).items():
            lines = run.lines.setdefault(name, {})
            lines |= {part["offset"] + n: line for n, line in enumerate(part["content"])}
        if sent.get("complete"):
            run.exit_code = sent.get("exitcode")
        self._answer({"limits": {}})

    # one method for each operation of W&B's GraphQL interface, by its name

    def _viewer(self, _: Any) -> Any:
        return {"viewer": {"id": "V", "entity": "me", "username": "me", "email": "",
                           "flags": "{}", "teams": {"edges": []}}}  # fmt: skip

    def _server_info(self, _: Any) -> Any:
        return {"serverInfo": {"cliVersionInfo": {"max_cli_version": "99.0.0"}}}

    def _server_features_query(self, _: Any) -> Any:
        return {"serverInfo": {"features": []}}

    def _run_resume_status(self, asked: Any) -> Any:
        return {"model": None}

    def _upsert_bucket(self, asked: Any) -> Any:
        run_id = asked["name"]
        run = self.server.run(run_id)
        for name, key in (
            *(("project", "project"), ("name", "displayName"), ("group", "groupName")),
            *(("job_type", "jobType"), ("tags", "tags"), ("sweep", "sweep")),
        ):
            if asked.get(key):
                setattr(run, name, asked[key])
        if asked.get("config"):
            values = json.loads(asked["config"])
            run.config = {key: value["value"] for key, value in values.items()}
        bucket = {
            "id": _id(run_id), "name": run_id, "displayName": run.name, "config": "{}",
            "sweepName": run.sweep or None, "historyLineCount": 0,
            "project": {"id": "P", "name": run.project, "entity": {"id": "E", "name": "me"}},
        }  # fmt: skip
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def _create_run_files(self, asked: Any) -> Any:
        url = f"{self.server.url}/run/{asked['run']}"
        files = [{"name": name, "uploadUrl": f"{url}/{name}"} for name in asked["files"]]
        return {"createRunFiles": {"runID": _id(asked["run"]), "uploadHeaders": [], "files": files}}

    def _upsert_sweep(self, asked: Any) -> Any:
        self.server.sweeps.append(asked["config"])
        project = {"id": "P", "name": asked["projectName"], "entity": {"id": "E", "name": "me"}}
        return {"upsertSweep": {"sweep": {"name": "s1", "project": project}}}

    def _sweep_with_runs(self, _: Any) -> Any:
        sweep = {"id": "S", "name": "s1", "state": "RUNNING", "runs": {"edges": []}}
        return {"project": {"sweep": sweep | {"config": self.server.sweeps[-1]}}}

    def _create_agent(self, _: Any) -> Any:
        return {"createAgent": {"agent": {"id": "A"}}}

    def _heartbeat(self, asked: Any) -> Any:
        """The next job, once the one before has ended."""
        commands, running = [], any(json.loads(asked["runState"]).values())
        if not running:
            jobs = self.server.jobs
            commands = [jobs.pop(0) if jobs else {"type": "exit"}]
        heard = {"agent": {"id": "A"}, "commands": json.dumps(commands)}
        return {"agentHeartbeat": heard}

    def _get_default_entity(self, _: Any) -> Any:
        return {"viewer": {"id": "V", "entity": "me"}}

    def _project_internal_id(self, _: Any) -> Any:
        return {"project": {"id": "P", "internalId": "UDox"}}

    def _get_projects(self, _: Any) -> Any:
        project = {"id": "P", "name": "covseg", "entityName": "me", "user": None}
        project |= {"createdAt": "", "isBenchmark": False}
        page = {"endCursor": None, "hasNextPage": False}
        return {"models": {"edges": [{"node": project, "cursor": ""}], "pageInfo": page}}

    def _upsert_view(self, asked: Any) -> Any:
        self.server.views.append(asked)
        project = {"id": "P", "name": asked["projectName"], "entityName": asked["entityName"]}
        view = {"id": "Vmlldw==", "type": asked["type"], "name": asked["name"], "user": None}
        view |= {"displayName": asked["displayName"], "description": asked.get("description")}
        view |= {"project": project, "spec": asked["spec"], "updatedAt": "2026-01-01T00:00:00"}
        return {"upsertView": {"view": view, "inserted": True}}

    _upsert_view2 = _upsert_view

    def _artifact_type(self, _: Any) -> Any:
        return {"project": None}

    def _organization_core_weave_organization_i_d(self, _: Any) -> Any:
        return {"entity": None}

    def _create_artifact(self, asked: Any) -> Any:
        name = asked["input"]["artifactCollectionName"]
        self.server.artifacts.setdefault(name, {})
        sequence = {"latestArtifact": None}
        created = {"id": name, "state": "PENDING", "artifactSequence": sequence}
        return {"createArtifact": {"artifact": created}}

    def _create_artifact_manifest(self, asked: Any) -> Any:
        file = {"id": "F", "uploadHeaders": []}
        file["uploadUrl"] = f"{self.server.url}/artifact/{asked['artifactID']}/{asked['name']}"
        return {"createArtifactManifest": {"artifactManifest": {"id": "M", "file": file}}}

    def _create_artifact_files(self, asked: Any) -> Any:
        edges = []
        for file in asked["input"]["artifactFiles"]:
            url = f"{self.server.url}/artifact/{file['artifactID']}/{file['name']}"
            node = {"storagePath": None, "uploadUrl": url, "uploadHeaders": []}
            node |= {"uploadMultipartUrls": None, "artifact": {"id": file["artifactID"]}}
            edges.append({"node": node})
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def _commit_artifact(self, asked: Any) -> Any:
        return {"commitArtifact": {"artifact": {"id": asked["artifactID"], "digest": ""}}}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _id(name: str) -> str:
    return base64.b64encode(name.encode()).decode()
