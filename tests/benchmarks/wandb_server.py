"""A server of Weights & Biases, as far as its client asks one when it syncs a run: it keeps what it is sent.

W&B reads its offline files in its own core, no longer in Python, so what a sync sends is what stands in them.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Wandb(ThreadingHTTPServer):
    """By run id what was sent of each run, and artifacts by their names."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.runs, self.artifacts = {}, {}
        self.gone = False  # and nothing is answered any more
        Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """The client leaves connections open until it ends."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def answer(self, operation, asked):
        """The data of a GraphQL answer."""
        answer = getattr(self, f"on_{operation.lower()}", None)
        return answer(asked.get("input", asked)) if answer else {"project": None, "model": None}  # knows of none yet

    def on_viewer(self, asked):
        return {"viewer": {"id": "u", "username": "me", "entity": "me", "flags": "{}", "teams": {"edges": []}}}

    def on_upsertbucket(self, asked):
        run = self.runs.setdefault(asked["name"], {"history": [], "summary": {}, "exit": None})
        run |= {key: value for key, value in asked.items() if value is not None}
        project = {"id": "p", "name": asked["project"], "entity": {"id": "e", "name": "me"}}
        bucket = {"id": "r", "name": asked["name"], "displayName": "", "config": "{}", "historyLineCount": 0}
        return {"upsertBucket": {"bucket": bucket | {"sweepName": None, "project": project}, "inserted": True}}

    def on_runresumestatus(self, asked):
        """What a client continues from that says `resume="allow"`."""
        run = self.runs.get(asked["name"])
        if run is None:
            return {"model": {"bucket": None}}
        last = json.dumps(run["history"][-1:] and [json.dumps(run["history"][-1])])
        bucket = {
            "id": "r", "name": asked["name"], "displayName": asked["name"], "config": run.get("config", "{}"),
            "summaryMetrics": json.dumps(run["summary"]), "historyLineCount": len(run["history"]), "historyTail": last,
            "eventsLineCount": 0, "eventsTail": "[]", "logLineCount": 0, "tags": run.get("tags", []), "notes": None,
            "wandbConfig": json.dumps({"t": 1}),
        }  # fmt: skip
        return {"model": {"id": "m", "name": "claims", "entity": {"id": "e", "name": "me"}, "bucket": bucket}}

    def on_createartifact(self, asked):
        name = asked["artifactCollectionName"]
        self.artifacts[name] = {"type": asked["artifactTypeName"], "run": asked["runName"], "files": {}, "whole": False}
        made = {"id": name, "state": "PENDING", "artifactSequence": {"id": "s", "latestArtifact": None}}
        return {"createArtifact": {"artifact": made}}

    def on_createartifactmanifest(self, asked):
        manifest = {"id": "m", "file": self.upload("manifest")}
        return {"createArtifactManifest": {"artifactManifest": manifest}}

    def on_createartifactfiles(self, asked):
        nodes = [
            self.upload(f"{file['artifactID']}/{file['name']}") | {"name": file["name"], "displayName": file["name"]}
            for file in asked["artifactFiles"]
        ]
        return {"createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}}}

    def on_commitartifact(self, asked):
        self.artifacts[asked["artifactID"]]["whole"] = True
        return {"commitArtifact": {"artifact": {"id": asked["artifactID"], "digest": ""}}}

    def on_createrunfiles(self, asked):
        files = [{"name": name, "uploadUrl": f"{self.url}/upload/run"} for name in asked["files"]]
        return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}

    def upload(self, place):
        """A file that the client is asked for."""
        file = {
            "id": "f",
            "name": "",
            "displayName": "",
            "uploadUrl": f"{self.url}/upload/{place}",
            "uploadHeaders": [],
        }
        return file | {"artifact": {"id": "a"}, "storagePath": None, "uploadMultipartUrls": None}

    def stream(self, run_id, sent):
        """Curves, summary and end of a run."""
        run = self.runs[run_id]
        for name, part in sent.get("files", {}).items():
            rows = [json.loads(row) for row in part["content"]]
            if name == "wandb-history.jsonl":
                assert part["offset"] <= len(run["history"]), "a hole"
                run["history"][part["offset"] : part["offset"] + len(rows)] = rows
            elif name == "wandb-summary.json":
                run["summary"] = rows[-1]
        if sent.get("complete"):
            run["exit"] = sent["exitcode"]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Nothing."""

    def do_PUT(self):
        artifact, _, name = self.path.removeprefix("/upload/").partition("/")
        content = self.received()
        if name:
            self.server.artifacts[artifact]["files"][name] = content
        self.reply({})

    def do_POST(self):
        sent = self.received()
        if self.path == "/graphql":
            asked = json.loads(sent)
            self.reply({"data": self.server.answer(asked["operationName"], asked.get("variables") or {})})
            return
        if self.path.endswith("/file_stream"):
            self.server.stream(self.path.split("/")[-2], json.loads(sent))
        self.reply({})

    def received(self):
        """What was sent."""
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.gone:
            raise ConnectionError
        return sent

    def reply(self, answer):
        """Answers in JSON."""
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
