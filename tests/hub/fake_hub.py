"""A hub on 127.0.0.1: as much of the Hugging Face Hub's protocol as pushing and fetching a model takes, in memory."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".png")  # Uploaded to a store of large files, named by their SHA-256, before the commit.


@dataclass
class Repository:
    private: bool
    commits: list[dict[str, bytes]] = field(default_factory=list)

    def sha(self, number: int) -> str:
        """The name of a commit, which depends on all files in it and on its place."""
        listed = sorted((name, hashlib.sha256(data).hexdigest()) for name, data in self.commits[number].items())
        return hashlib.sha1(json.dumps([number, listed]).encode()).hexdigest()  # noqa: S324

    def at(self, revision: str) -> int | None:
        known = {self.sha(number): number for number in range(len(self.commits))}
        return len(self.commits) - 1 if revision == "main" else known.get(revision)


@dataclass
class FakeHub:
    """What the server holds, the token that it accepts, and the requests that it has seen."""

    token: str = "hf_right"  # noqa: S105
    repositories: dict[str, Repository] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    endpoint: str = ""
    down: bool = False

    def put(self, name: str, files: dict[str, bytes], *, private: bool = False) -> str:
        """Commits files as a stranger could; returns the commit."""
        repository = self.repositories.setdefault(name, Repository(private))
        repository.commits.append(files)
        return repository.sha(-1 % len(repository.commits))

    def files(self, name: str) -> dict[str, bytes]:
        return self.repositories[name].commits[-1]


def serve(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def answer(self, status: int, body: object = None, **headers: str) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def fail(self, status: int, code: str, message: str) -> None:
            self.answer(status, {"error": message}, X_Error_Code=code, X_Error_Message=message)

        def handle_any(self) -> None:
            path = unquote(urlsplit(self.path).path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            hub.requests.append(f"{self.command} {path}")
            hub.agents.add(self.headers.get("User-Agent", ""))
            if hub.down:
                return self.fail(503, "", "Service Unavailable")
            given = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if given not in ("", hub.token) and not path.startswith("/store/"):
                return self.fail(401, "", "Invalid credentials in Authorization header")
            match path.strip("/").split("/"):
                case ["api", "repos", "create"]:
                    return self.create(json.loads(body), bool(given))
                case ["api", "validate-yaml"]:
                    return self.validate(json.loads(body)["content"])
                case ["store", oid]:
                    hub.stored[oid] = body
                    return self.answer(200, {})
                case ["api", "models", owner, name, *rest]:
                    pass
                case [owner, name, *rest]:
                    pass
                case _:
                    return self.answer(404, {"error": path})
            full = f"{owner}/{name.removesuffix('.git')}"
            repository = hub.repositories.get(full)
            if repository is None or (repository.private and not given):
                return self.fail(404 if given else 401, "RepoNotFound", "Repository not found")
            match rest:
                case []:
                    return self.describe(full, repository, "main")
                case ["revision", *parts]:
                    return self.describe(full, repository, "/".join(parts))
                case ["preupload", "main"]:
                    files = [
                        {"path": each["path"], "shouldIgnore": False,
                         "uploadMode": "lfs" if each["path"].endswith(LARGE) else "regular"}
                        for each in json.loads(body)["files"]
                    ]  # fmt: skip
                    return self.answer(200, {"files": files})
                case ["info", "lfs", "objects", "batch"]:
                    return self.batch(json.loads(body)["objects"])
                case ["commit", "main"]:
                    return self.commit(full, repository, [json.loads(line) for line in body.splitlines()])
                case ["resolve", revision, *parts]:
                    return self.resolve(repository, revision, "/".join(parts))
            return self.answer(404, {"error": path})

        def create(self, wanted: dict, allowed: bool) -> None:
            if not allowed:
                return self.fail(401, "", "Unauthorized")
            name = f"{wanted['organization']}/{wanted['name']}"
            # Version 2 of the library says it in a word, version 1 in a truth value.
            private = wanted["private"] if "private" in wanted else wanted["visibility"] == "private"
            hub.repositories[name] = Repository(private, [{".gitattributes": b""}])
            return self.answer(200, {"url": f"{hub.endpoint}/{name}", "id": name})

        def validate(self, card: str) -> None:
            if "license: nonsense" in card:
                return self.answer(400, {"errors": [{"message": '"license" must be one of [apache-2.0, mit]'}]})
            return self.answer(200, {"errors": [], "warnings": []})

        def describe(self, name: str, repository: Repository, revision: str) -> None:
            number = repository.at(revision)
            if number is None:
                return self.fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            files = [{"rfilename": name, "size": len(data)} for name, data in repository.commits[number].items()]
            about = {"id": name, "private": repository.private, "sha": repository.sha(number), "siblings": files}
            return self.answer(200, about)

        def batch(self, objects: list[dict]) -> None:
            actions = [
                {"oid": each["oid"], "size": each["size"],
                 "actions": {"upload": {"href": f"{hub.endpoint}/store/{each['oid']}"}}}
                for each in objects
            ]  # fmt: skip
            return self.answer(200, {"transfer": "basic", "objects": actions})

        def commit(self, name: str, repository: Repository, lines: list[dict]) -> None:
            files = dict(repository.commits[-1])
            for line in lines:
                value = line["value"]
                match line["key"]:
                    case "header" if value.get("parentCommit") not in (
                        None,
                        repository.sha(len(repository.commits) - 1),
                    ):
                        return self.fail(412, "", "A commit has happened since")
                    case "file":
                        files[value["path"]] = base64.b64decode(value["content"])
                    case "lfsFile":
                        files[value["path"]] = hub.stored[value["oid"]]
                    case "deletedFile":
                        del files[value["path"]]
            sha = hub.put(name, files)
            return self.answer(200, {"commitUrl": f"{hub.endpoint}/{name}/commit/{sha}", "commitOid": sha})

        def resolve(self, repository: Repository, revision: str, file: str) -> None:
            number = repository.at(revision)
            data = None if number is None else repository.commits[number].get(file)
            if number is None or data is None:
                return self.fail(404, "EntryNotFound", f"{file} not found")
            etag = hashlib.sha256(data).hexdigest()
            return self.answer(200, data, ETag=f'"{etag}"', X_Repo_Commit=repository.sha(number))

        do_GET = do_POST = do_PUT = do_HEAD = handle_any  # noqa: N815

    return Handler


@contextmanager
def running(hub: FakeHub) -> Iterator[FakeHub]:
    """Serves the hub on a free port of 127.0.0.1."""
    with ThreadingHTTPServer(("127.0.0.1", 0), serve(hub)) as server:
        hub.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
