"""Measure the throughput of the emulator with 10,000 destinations, in another process on a socket.

    python tests/bench/emulator_throughput.py [--requests 60000] [--clients 4] [--destinations 10000] [--db FILE]

Prints requests per second, latencies and the memory of the server before and after. Asserts nothing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import random
import resource
import time
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.emulator.app import create_app
from reconciler.emulator.seed import Seed
from reconciler.emulator.serve import serve

HEADERS = {
    "Authorization": "Basic a2V5OnNlY3JldA==",
    "Accept": "application/json;version=2",
    "Content-Type": "application/json",
}
MIX = [("list", 5), ("get", 60), ("patch", 25), ("post", 10)]


def build_seed(destinations: int) -> Seed:
    """Build an account with this number of groups, each with a destination."""
    config = {
        "host": "acme.example",
        "port": 443,
        "database": "D",
        "auth": "PASSWORD",
        "user": "u",
        "password": "p",
    }
    entry = {"service": "snowflake", "config": config, "setup_status": "connected"}
    groups = [
        {"id": f"group_{number}", "name": f"group {number}", "destination": entry}
        for number in range(destinations)
    ]
    return Seed.model_validate({"version": 1, "groups": groups})


def run_server(database: str, destinations: int, ready: Any) -> None:
    """Serve the emulator in its process."""
    app = create_app(database, clock=lambda: datetime.now(UTC))
    began = time.perf_counter()
    app.load_seed(build_seed(destinations))
    load_seconds = time.perf_counter() - began
    serve(app, on_ready=lambda url: ready.put((url, load_seconds)))


def run_client(port: int, requests: int, destinations: int, number: int, results: Any) -> None:
    """Send a mix of requests on one connection."""
    rng = random.Random(number)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    kinds = rng.choices([kind for kind, _ in MIX], [weight for _, weight in MIX], k=requests)
    durations: dict[str, list[float]] = defaultdict(list)
    for count, kind in enumerate(kinds):
        method, path, body = choose_request(kind, rng, destinations, f"{number} {count}")
        began = time.perf_counter()
        connection.request(method, path, body, HEADERS)
        answer = connection.getresponse()
        answer.read()
        durations[kind].append(time.perf_counter() - began)
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status}")
    results.put(dict(durations))


def choose_request(
    kind: str, rng: random.Random, destinations: int, name: str
) -> tuple[str, str, str | None]:
    """Choose a request. Returns method, path and body."""
    group_id = f"group_{rng.randrange(destinations)}"
    match kind:
        case "list":
            skip = rng.randrange(0, destinations, 100)
            cursor = urlsafe_b64encode(b'{"skip":%d}' % skip).decode().rstrip("=")
            return "GET", f"/v1/destinations?limit=100&cursor={cursor}", None
        case "get":
            return "GET", f"/v1/destinations/{group_id}", None
        case "patch":
            body = {"config": {"database": name}, "run_setup_tests": False}
            return "PATCH", f"/v1/destinations/{group_id}", json.dumps(body)
    return "POST", "/v1/groups", json.dumps({"name": name})


def read_memory(process_id: int) -> float:
    """Read the resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def compute_percentile(durations: Sequence[float], share: float) -> float:
    """Compute a percentile of durations in milliseconds."""
    return sorted(durations)[min(int(len(durations) * share), len(durations) - 1)] * 1000


def main() -> None:
    """Run the clients and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=60_000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--destinations", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--db", default=":memory:")
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    ready, results = spawn.Queue(), spawn.Queue()
    server = spawn.Process(target=run_server, args=(options.db, options.destinations, ready), daemon=True)
    server.start()
    url, load_seconds = ready.get()
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    print(
        f"{os.cpu_count()} cores, {options.destinations:,} destinations loaded in {load_seconds:.1f} s, {options.db}"
    )
    print(f"memory before {read_memory(server.pid or 0):.0f} MiB")
    share = options.requests // options.rounds // options.clients
    for number in range(options.rounds):
        clients = [
            spawn.Process(
                target=run_client,
                args=(port, share, options.destinations, number * 100 + client_number, results),
            )
            for client_number in range(options.clients)
        ]
        for client in clients:
            client.start()
        durations_by_kind: dict[str, list[float]] = defaultdict(list)
        for _ in clients:
            for kind, durations in results.get().items():
                durations_by_kind[kind] += durations
        for client in clients:
            client.join()
        # The clients run in parallel, so the total of their times is divided by their number.
        spent = sum(map(sum, durations_by_kind.values())) / options.clients
        done = sum(map(len, durations_by_kind.values()))
        print(
            f"round {number + 1}: {done:,} requests, {done / spent:,.0f}/s,"
            f" memory {read_memory(server.pid or 0):.0f} MiB"
        )
    for kind, durations in sorted(durations_by_kind.items()):
        percentiles = ", ".join(
            f"p{share:g} {compute_percentile(durations, share / 100):.1f} ms" for share in (50, 95, 99, 99.9)
        )
        print(f"  {kind:<6} {len(durations):>7,}  {percentiles}")
    server.terminate()


if __name__ == "__main__":
    main()
