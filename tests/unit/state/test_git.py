"""Test a git branch as backend: writes are read back, writes of other runs and the repository of the user stay."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from git_repo import run_git, trust, write_distrusting_git
from remote_backends import BRANCH, HOLDER, BareRepository, build_clock, build_context

from reconciler.model.state_location import GitBranch, parse_state_location
from reconciler.runtime.deadline import ShutdownDeadline
from reconciler.runtime.git import Result
from reconciler.state import scratch_repository
from reconciler.state.backend import BackendError, ConflictError, UnusableBackendError
from reconciler.state.git import GitBackend

pytestmark = pytest.mark.sampled(every=6, tests=2)


@pytest.fixture
def upstream(tmp_path: Path) -> BareRepository:
    """Create a bare repository."""
    return BareRepository(tmp_path / "upstream.git")


@pytest.fixture
def clone(upstream: BareRepository, tmp_path: Path) -> Path:
    """Create the repository of a user, which holds the project."""
    return upstream.clone(tmp_path / "clone")


def make_location(text: str = f"git:origin/{BRANCH}") -> GitBranch:
    found = parse_state_location(text)
    assert isinstance(found, GitBranch)
    return found


def make_backend(folder: Path, text: str = f"git:origin/{BRANCH}", **environ: str) -> GitBackend:
    return GitBackend(make_location(text), build_context(folder, **environ))


def write_files(backend: GitBackend, **contents: str) -> None:
    """Read files and then write them, by their names without `.json`."""
    names = [f"{name}.json" for name in contents]
    backend.read(*names)
    backend.write({f"{name}.json": text.encode() for name, text in contents.items()}, "because")


def test_the_first_write_creates_the_branch_with_author_and_reason(
    upstream: BareRepository, clone: Path
) -> None:
    backend = make_backend(clone)
    assert backend.read("state.json", "state.json.lock") == {"state.json": None, "state.json.lock": None}
    backend.write({"state.json.lock": b"mine\n"}, "locked")
    backend.write({"state.json.lock": None, "state.json": b"{}\n"}, "serial 1")
    assert upstream.read_files() == {"state.json": "{}"}
    assert make_backend(clone).read("state.json") == {"state.json": b"{}\n"}
    assert upstream.list_subjects() == [
        "reconciler apply: state.json, locked",
        "reconciler apply: state.json, serial 1",
    ]
    last = run_git(upstream.path, "log", "-1", "--format=%an <%ae> %cn|%B", BRANCH)
    assert last.startswith("ci <ci@runner-7> ci|")
    assert "By ci on runner-7, process 4711, since 2026-11-26T10:00:00+00:00" in last
    assert run_git(upstream.path, "rev-list", "--max-parents=0", BRANCH, "main").count("\n") == 1, "an orphan"


def test_a_write_of_another_run_is_never_replaced(upstream: BareRepository, clone: Path) -> None:
    first, second = make_backend(clone), make_backend(clone)
    for each in (first, second):
        each.read("state.json")
    first.write({"state.json": b"first"}, "first")
    with pytest.raises(ConflictError):
        second.write({"state.json": b"second"}, "second")
    assert upstream.read_files() == {"state.json": "first"}
    second.read("state.json")
    second.write({"state.json": b"second"}, "second")
    with pytest.raises(ConflictError):
        first.write({"state.json": None}, "away with it")
    assert upstream.read_files() == {"state.json": "second"}


def test_one_of_many_concurrent_writes_succeeds(upstream: BareRepository, clone: Path) -> None:
    count = 6
    ready, won = threading.Barrier(count), []

    def write(number: int) -> None:
        backend = make_backend(clone)
        backend.read("state.json")
        ready.wait(60)
        with suppress(ConflictError):
            backend.write({"state.json": f"{number}".encode()}, "me first")
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    [winner] = won
    assert upstream.read_files() == {"state.json": f"{winner}"}


def test_a_deleted_branch_is_not_recreated_by_a_stale_write(upstream: BareRepository, clone: Path) -> None:
    backend = make_backend(clone)
    write_files(backend, state="first")
    run_git(upstream.path, "branch", "-D", BRANCH)
    with pytest.raises(ConflictError):
        backend.write({"state.json": b"second"}, "second")
    assert backend.read("state.json") == {"state.json": None}
    backend.write({"state.json": b"second"}, "second")
    assert upstream.read_files() == {"state.json": "second"}


def test_projects_on_one_branch_lose_no_writes(upstream: BareRepository, clone: Path) -> None:
    names = [f"team{number}.state" for number in range(4)]
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            backend = make_backend(clone)
            for turn in range(3):
                write_files(backend, **{name: f"{name} {turn}"})
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    assert upstream.read_files() == {f"{name}.json": f"{name} 2" for name in names}
    assert len(upstream.list_subjects()) == 12


def write_forgetful_git(folder: Path, once: Path, *commands: str) -> str:
    """Write a git that obeys, but reports a failure while the file `once` exists. Return its PATH."""
    folder.mkdir()
    real = shutil.which("git")
    program = folder / "git"
    tests = " ".join(f"*' {each} '*) hit=1;;" for each in commands)
    program.write_text(
        f"""#!/bin/sh
hit=0; case " $* " in {tests} esac
if [ $hit = 1 ] && [ -e '{once}' ]; then '{real}' "$@"; echo 'fatal: the line is dead' >&2; exit 1; fi
exec '{real}' "$@"
"""
    )
    program.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_a_push_with_a_lost_response_counts_as_written(
    upstream: BareRepository, clone: Path, tmp_path: Path
) -> None:
    once = tmp_path / "once"
    backend = make_backend(clone, PATH=write_forgetful_git(tmp_path / "bin", once, "push"))
    backend.read("state.json")
    once.touch()
    backend.write({"state.json": b"first"}, "first")
    assert upstream.list_subjects() == ["reconciler apply: state.json, first"]


def test_a_push_with_unknown_result_is_followed_by_a_valid_push(
    upstream: BareRepository, clone: Path, tmp_path: Path
) -> None:
    once = tmp_path / "once"
    backend = make_backend(clone, PATH=write_forgetful_git(tmp_path / "bin", once, "push", "ls-remote"))
    backend.read("state.json")
    once.touch()
    with pytest.raises(BackendError, match="the line is dead") as caught:
        backend.write({"state.json": b"first"}, "first")
    assert not isinstance(caught.value, ConflictError)
    once.unlink()
    backend.write({"state.json": b"second"}, "second")
    assert upstream.read_files() == {"state.json": "second"}
    other_user = make_backend(clone)
    write_files(other_user, state="third")
    with pytest.raises(ConflictError):
        backend.write({"state.json": b"fourth"}, "fourth")


def read_tree(folder: Path) -> dict[str, bytes]:
    """Read all files of a repository with its work tree."""
    return {str(file): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("form", ["unchanged", "shallow", "detached", "bare", "in a subfolder"])
def test_the_repository_of_the_user_stays_unchanged(
    upstream: BareRepository, clone: Path, tmp_path: Path, form: str
) -> None:
    run_git(clone, "commit", "-q", "--allow-empty", "-m", "more")
    run_git(clone, "push", "-q", "origin", "HEAD:refs/heads/main")
    (clone / "work.txt").write_text("changed\n")
    run_git(clone, "add", "work.txt")
    (clone / "new.txt").write_text("new\n")
    folder = clone
    match form:
        case "shallow":
            folder = tmp_path / "shallow"
            run_git(
                tmp_path, "clone", "-q", "--depth=1", "--branch=main", f"file://{upstream.path}", str(folder)
            )
        case "detached":
            run_git(clone, "checkout", "-q", "--detach", "HEAD")
        case "bare":
            folder = tmp_path / "bare"
            run_git(tmp_path, "clone", "-q", "--bare", str(upstream.path), str(folder))
        case "in a subfolder":
            folder = clone / "specs"
            folder.mkdir()
    before = read_tree(folder)
    write_files(make_backend(folder), state="first")
    again = make_backend(folder)
    write_files(again, state="second")
    assert read_tree(folder) == before
    assert upstream.read_files() == {"state.json": "second"}
    assert not run_git(folder, "branch", "--all", "--list", f"*{BRANCH}*")


def test_identity_hooks_and_signing_of_the_user_are_ignored(
    upstream: BareRepository, clone: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / "hooks").mkdir(parents=True)
    for name in ("pre-push", "pre-commit", "commit-msg", "reference-transaction"):
        for folder in (home / "hooks", clone / ".git" / "hooks"):
            folder.mkdir(exist_ok=True)
            (folder / name).write_text("#!/bin/sh\necho hooked >&2; exit 1\n")
            (folder / name).chmod(0o755)
    (home / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {home / 'hooks'}\n[commit]\n\tgpgsign = true\n[push]\n\tgpgSign = true\n"
        "[user]\n\tuseConfigOnly = true\n[push]\n\tfollowTags = true\n"
    )
    run_git(upstream.path, "config", "core.hooksPath", "hooks")  # the server is another machine
    odd = replace(HOLDER, user="<root>\n", host="")
    backend = GitBackend(make_location(), build_context(clone, odd, HOME=str(home)))
    write_files(backend, state="first")
    again = GitBackend(make_location(), build_context(clone, odd, HOME=str(home)))
    assert again.read("state.json") == {"state.json": b"first"}
    assert run_git(upstream.path, "log", "-1", "--format=%an <%ae>", BRANCH) == "root <root@reconciler>"


def test_git_variables_for_another_repository_are_ignored(
    upstream: BareRepository, clone: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    trace = tmp_path / "trace"
    environ = {
        name: str(elsewhere)
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")
    }
    backend = make_backend(
        clone, **environ, GIT_TRACE=str(trace), GIT_AUTHOR_DATE="no date", GIT_NAMESPACE="other"
    )
    write_files(backend, state="first")
    assert upstream.read_files() == {"state.json": "first"}
    assert not elsewhere.exists()
    assert not trace.exists()


def test_transport_settings_of_the_users_repository_are_obeyed(upstream: BareRepository, clone: Path) -> None:
    """actions/checkout stores the credentials of a job there."""
    run_git(clone, "remote", "set-url", "origin", "https://git.example.invalid/infra.git")
    run_git(clone, "config", f"url.{upstream.path}.insteadOf", "https://git.example.invalid/infra.git")
    write_files(make_backend(clone), state="first")
    given = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{upstream.path}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://other.example.invalid/x.git",
    }
    backend = make_backend(clone, f"git:https://other.example.invalid/x.git/{BRANCH}", **given)
    assert backend.read("state.json") == {"state.json": b"first"}


@pytest.mark.parametrize(
    "form", ["an absolute path", "a relative path", "a file URL", "a remote with a relative path"]
)
def test_a_remote_is_accepted_in_every_address_form(
    upstream: BareRepository, clone: Path, tmp_path: Path, form: str
) -> None:
    write_files(make_backend(clone), state="first")
    folder = tmp_path / "outside"
    folder.mkdir()
    text = {
        "an absolute path": f"git:{upstream.path}/{BRANCH}",
        "a relative path": f"git:../upstream.git/{BRANCH}",
        "a file URL": f"git:file://{upstream.path}/{BRANCH}",
        "a remote with a relative path": f"git:origin/{BRANCH}",
    }[form]
    if "remote" in form:
        run_git(clone, "remote", "set-url", "origin", "../upstream.git")
        folder = clone / "deep"
        folder.mkdir()
    assert make_backend(folder, text).read("state.json") == {"state.json": b"first"}


def test_a_branch_may_have_slashes(upstream: BareRepository, clone: Path) -> None:
    write_files(make_backend(clone, "git:origin/fivetran/state"), state="first")
    assert upstream.read_files("fivetran/state") == {"state.json": "first"}
    assert make_backend(clone, f"git:{upstream.path}/fivetran/state").read("state.json") == {
        "state.json": b"first"
    }


def test_a_branch_with_other_files_stays_unchanged(upstream: BareRepository, clone: Path) -> None:
    with pytest.raises(UnusableBackendError, match=r"other files, such as `work\.txt`"):
        make_backend(clone, "git:origin/main").read("state.json")


def test_a_server_that_refuses_is_quoted(upstream: BareRepository, clone: Path) -> None:
    backend = make_backend(clone)
    backend.read("state.json")
    upstream.add_hook("pre-receive", "exit 1")
    with pytest.raises(BackendError, match="pre-receive hook declined") as caught:
        backend.write({"state.json": b"first"}, "first")
    assert BRANCH in caught.value.advice
    assert upstream.read_files() == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("git:upstream/state", "git knows no remote `upstream`"),
        ("git:/nowhere/at/all.git/state", "does not appear to be a git repository"),
        ("git:http://127.0.0.1:9/infra.git/state", "unable to access"),
    ],
)
def test_an_unreachable_remote_is_reported(clone: Path, text: str, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        make_backend(clone, text).read("state.json")


def test_credentials_of_a_remote_are_never_repeated(clone: Path) -> None:
    run_git(clone, "remote", "set-url", "origin", "http://ci:hunter2-hunter2@127.0.0.1:9/infra.git")
    with pytest.raises(BackendError) as caught:
        make_backend(clone).read("state.json")
    assert "127.0.0.1:9/infra.git" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_credentials_in_output_of_git_are_redacted() -> None:
    message = b"hint: x\nfatal: unable to access 'https://ci:hunter2-hunter2@git.example.com/x.git/': no\n"
    assert Result(128, b"", message).error_line == (
        "git says: fatal: unable to access 'https://git.example.com/x.git/': no"
    )
    assert Result(1, b"To x\n!\ta:b\t[remote rejected] (declined)\n", message).error_line == (
        "git says: [remote rejected] (declined)"
    )
    assert Result(3, b"", b"").error_line == "git says: nothing (it ended with 3)"


def test_a_machine_without_git_is_reported(clone: Path) -> None:
    with pytest.raises(BackendError, match="git is not installed") as caught:
        make_backend(clone, PATH="/nowhere").read("state.json")
    assert "2.31" in caught.value.advice


def test_a_hanging_git_ends_at_the_timeout(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch_repository, "TIMEOUT", 0.2)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "git"
    program.write_text("#!/bin/sh\nexec sleep 30\n")
    program.chmod(0o755)
    with pytest.raises(BackendError, match=r"did not end within 0\.2 s"):
        make_backend(clone, PATH=f"{program.parent}:/usr/bin:/bin").read("state.json")


def test_no_temporary_file_is_left(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    backend = make_backend(clone)
    write_files(backend, state="first")
    [folder] = temporary.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    del backend
    assert list(temporary.iterdir()) == []


def write_recorder(folder: Path) -> tuple[Path, Path]:
    """Write a program that records its calls; return it and the file of its calls."""
    program, called = folder / "ssh-of-the-user", folder / "called"
    program.write_text(f"#!/bin/sh\necho \"$@\" >> '{called}'\nexit 1\n")
    program.chmod(0o755)
    return program, called


@pytest.mark.parametrize(
    "where", ["the user's file", "an included file", "the environment", "the repository"]
)
def test_the_ssh_program_of_the_user_is_used_from_every_setting(
    clone: Path, tmp_path: Path, where: str
) -> None:
    program, called = write_recorder(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    setting = f"[core]\n\tsshCommand = {program}\n"
    given: dict[str, str] = {}
    match where:
        case "the user's file":
            (home / ".gitconfig").write_text(setting)
        case "an included file":
            (home / "work").write_text(setting)
            (home / ".gitconfig").write_text(f'[includeIf "gitdir:{clone}/"]\n\tpath = work\n')
        case "the environment":
            given = {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "core.sshCommand",
                "GIT_CONFIG_VALUE_0": str(program),
            }
        case "the repository":
            run_git(clone, "config", "core.sshCommand", str(program))
    with pytest.raises(BackendError):
        make_backend(clone, f"git:ssh://git@example.invalid/x.git/{BRANCH}", HOME=str(home), **given).read(
            "a.json"
        )
    assert "git-upload-pack" in called.read_text()


def test_an_include_for_this_folder_is_obeyed(upstream: BareRepository, clone: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    address = "https://git.example.invalid/infra.git"
    run_git(clone, "remote", "set-url", "origin", address)
    (home / "work").write_text(f'[url "{upstream.path}"]\n\tinsteadOf = {address}\n')
    (home / ".gitconfig").write_text(f'[includeIf "gitdir:{clone}/"]\n\tpath = work\n')
    write_files(make_backend(clone, HOME=str(home)), state="first")
    assert upstream.read_files() == {"state.json": "first"}


def test_a_remote_may_come_from_the_settings_of_the_user(
    upstream: BareRepository, clone: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[remote "states"]\n\turl = {upstream.path}\n')
    write_files(make_backend(clone, f"git:states/{BRANCH}", HOME=str(home)), state="first")
    assert upstream.read_files() == {"state.json": "first"}


def test_multi_valued_settings_are_passed_once(upstream: BareRepository, clone: Path, tmp_path: Path) -> None:
    home, output = tmp_path / "home", tmp_path / "output"
    home.mkdir()
    (home / ".gitconfig").write_text("[http]\n\textraHeader = of the user\n")
    run_git(clone, "config", "http.extraHeader", "of the repository")
    (tmp_path / "bin").mkdir()
    real, program = shutil.which("git"), tmp_path / "bin" / "git"
    program.write_text(
        f"""#!/bin/sh
for each; do [ "$before" = --git-dir ] && folder=$each; before=$each; done
case " $* " in *' ls-remote '*) '{real}' --git-dir "$folder" config --get-all http.extraheader > '{output}';; esac
exec '{real}' "$@"
"""
    )
    program.chmod(0o755)
    given = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": "of the environment",
    }
    backend = make_backend(clone, HOME=str(home), PATH=f"{program.parent}:/usr/bin:/bin", **given)
    backend.read("state.json")
    assert sorted(output.read_text().splitlines()) == [
        "of the environment",
        "of the repository",
        "of the user",
    ]


def test_settings_for_other_pushes_and_commits_are_ignored(
    upstream: BareRepository, clone: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        "[push]\n\tpushOption = ci.skip\n[i18n]\n\tcommitEncoding = ISO-8859-1\n"
    )
    write_files(make_backend(clone, HOME=str(home)), state="first")
    assert "encoding" not in run_git(upstream.path, "cat-file", "commit", BRANCH)


def test_a_folder_without_repository_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    with pytest.raises(BackendError, match="git says: fatal: not a git repository") as caught:
        make_backend(folder, GIT_CEILING_DIRECTORIES=str(tmp_path)).read("state.json")
    assert "URL" in caught.value.advice


def test_a_repository_of_another_user_is_named_as_the_reason(clone: Path, tmp_path: Path) -> None:
    distrusting = write_distrusting_git(tmp_path / "bin")
    with pytest.raises(BackendError, match="git says: fatal: detected dubious ownership") as caught:
        make_backend(clone, **distrusting).read("state.json")
    assert "safe.directory" in caught.value.advice


def test_a_repository_of_another_user_is_used_if_the_environment_trusts_it(
    upstream: BareRepository, clone: Path, tmp_path: Path
) -> None:
    # git removes GIT_CONFIG_COUNT at the other end of a push, so a file makes that end trusted
    trusted = tmp_path / "trusted.ini"
    trusted.write_text(f"[safe]\ndirectory = {upstream.path}\n")
    environ = {**write_distrusting_git(tmp_path / "bin"), **trust(clone), "GIT_CONFIG_GLOBAL": str(trusted)}
    write_files(make_backend(clone, **environ), state="first")
    assert upstream.read_files() == {"state.json": "first"}


def test_the_reason_of_ssh_is_quoted(clone: Path, tmp_path: Path) -> None:
    ssh = tmp_path / "refusing-ssh"
    ssh.write_text("#!/bin/sh\necho 'Host key verification failed.' >&2; exit 255\n")
    ssh.chmod(0o755)
    with pytest.raises(BackendError, match=r"^git says: Host key verification failed\.$"):
        make_backend(clone, f"git:ssh://git@example.invalid/x.git/{BRANCH}", GIT_SSH_COMMAND=str(ssh)).read(
            "a.json"
        )


def test_output_of_a_hook_is_reported_shortened_and_without_escapes(
    upstream: BareRepository, clone: Path
) -> None:
    backend = make_backend(clone)
    backend.read("state.json")
    upstream.add_hook(
        "pre-receive",
        "printf 'pushes are \\033[31mfrozen\\033[0m\\n' >&2; for i in 1 2 3 4 5 6; do echo line $i >&2; done; exit 1",
    )
    with pytest.raises(BackendError, match="pre-receive hook declined") as caught:
        backend.write({"state.json": b"first"}, "first")
    assert caught.value.notes == (
        "the server says: pushes are  [31mfrozen [0m",
        "the server says: line 1",
        "the server says: line 2",
        "the server says: line 3",
        "(and 3 more lines)",
    )


def test_a_lock_that_changed_after_a_version_check_is_not_replaced(
    upstream: BareRepository, clone: Path
) -> None:
    backend, other = make_backend(clone), make_backend(clone)
    write_files(backend, state="first")
    assert backend.is_unchanged("state.json")
    write_files(other, state="second")
    assert backend.version(
        "state.json", ShutdownDeadline(build_clock(), threading.Event())
    ) != backend.known_version("state.json")
    assert not backend.is_unchanged("state.json")
    assert backend.peek("state.json") == b"second"
    with pytest.raises(ConflictError):
        backend.write({"state.json": b"third"}, "third")
    assert upstream.read_files() == {"state.json": "second"}


def test_old_temporary_files_of_killed_runs_are_removed(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    old, new = (temporary / f"fivetran-reconciler-git-{name}" for name in ("old", "new"))
    others = temporary / "reconciler-work"
    for each in (old, new, others):
        (each / "objects").mkdir(parents=True)
    long_ago = new.stat().st_mtime - 2 * 86_400
    for each in (old, others):
        os.utime(each, (long_ago, long_ago))
    backend = make_backend(clone)
    backend.read("state.json")
    assert not old.exists()
    assert new.exists()
    assert others.exists()


def test_no_temporary_files_are_created_in_the_work_tree(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone)
    monkeypatch.setattr("tempfile.tempdir", str(clone))
    with pytest.raises(BackendError, match="no folder for temporary files") as caught:
        make_backend(clone).read("state.json")
    assert "`TMPDIR`" in caught.value.advice
