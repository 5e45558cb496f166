"""Define the fixtures that many tests share."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from applied_project import AppliedProject, apply_pairs
from cli_harness import EmulatedFivetran, Project, serve_fivetran
from hypothesis_settings import disable_deadlines
from secret_leak_detector import detect_leaks

disable_deadlines()

# Each worker rewrites the asserts of all modules, which is half of the time that it collects. Later runs take them from
# pytest's cache, also on a machine that writes no bytecode otherwise.
sys.dont_write_bytecode = False

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background lets the tests and their processes ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _check_descriptor(descriptor: int) -> None:
    """Accept what `fsync` accepts, without the milliseconds of a disk."""
    os.fstat(descriptor)


# Tests check whether and when the product syncs a file (by patches of their own), never what the disk does then.
os.fsync = _check_descriptor


@pytest.hookimpl(tryfirst=True)  # ahead of xdist, which starts the workers by these options
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run on all cores, unless the command line sets the workers or names a single test file.

    Not in `addopts`: pytest would refuse the option when xdist is switched off (`-p no:xdist`).
    """
    is_worker = hasattr(config, "workerinput")
    if is_worker or not config.pluginmanager.hasplugin("xdist") or config.option.numprocesses is not None:
        return
    workers = 0 if config.option.usepdb or config.option.dist != "no" else _count_workers(config.args)
    if workers:
        config.option.numprocesses, config.option.dist = workers, "worksteal"


def _count_workers(arguments: Sequence[str]) -> int:
    """Count the workers for the tests of the command line. Each worker has to import all modules of its tests."""
    files = {argument.partition("::")[0] for argument in arguments}
    if all(file.endswith(".py") for file in files):
        return 0 if len(files) == 1 else min(len(files), _count_all_workers())
    return _count_all_workers()


def _count_all_workers() -> int:
    """Count the workers of a whole run: one more than cores, since many tests wait for processes and sockets."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)  # unknown to pytest when xdist is switched off
def pytest_xdist_auto_num_workers() -> int:
    """Count the workers of `-n auto`."""
    return _count_all_workers()


@pytest.hookimpl(tryfirst=True)  # ahead of the selection by `-m`
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave a share of each `sampled` module and test to the long run.

    The usual run keeps one test function in `tests` of a module, and one case in `every` of a test.
    """
    functions: dict[str, dict[str, int]] = {}
    cases = Counter[str]()
    for item in items:
        sampled = item.get_closest_marker("sampled")
        if sampled and not item.get_closest_marker("long"):
            test = item.nodeid.partition("[")[0]
            module = functions.setdefault(test.partition("::")[0], {})
            position = module.setdefault(test, len(module))
            if cases[test] % sampled.kwargs["every"] or position % _find_share_of_tests(item):
                item.add_marker(pytest.mark.long)
            cases[test] += 1


def _find_share_of_tests(item: pytest.Item) -> int:
    """Find `tests` among the `sampled` markers of a test and its module; 1 for all tests."""
    return next((each.kwargs["tests"] for each in item.iter_markers("sampled") if "tests" in each.kwargs), 1)


@pytest.fixture(autouse=True)
def no_secret_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check that no artefact of the product contains a secret of the test (S-40)."""
    with detect_leaks(_list_captured_sections(request.node)):
        yield


def _list_captured_sections(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """List the captured streams and logs of the test."""
    for when, name, text in item._report_sections:
        yield f"captured {name} of the {when}", text


@pytest.fixture
def server() -> Iterator[EmulatedFivetran]:
    """Serve an emulated Fivetran with an empty account."""
    with serve_fivetran() as emulated:
        yield emulated


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Project:
    """Create an empty project folder."""
    return Project(tmp_path, monkeypatch, capfd)


@pytest.fixture
def applied_project(project: Project, server: EmulatedFivetran) -> AppliedProject:
    """Create a project with two applied pairs, `orders` and `sales`."""
    return apply_pairs(project, server)
