"""What .ci/mutants does with lists and files: copies the tree, chooses a shard, and judges the outcome."""

import collections
import hashlib
import json
import pathlib
import re
import subprocess
import sys

LEAST_CAUGHT = 0.9
CAUGHT, MISSED, TIMEOUT, UNVIABLE = "caught", "missed", "timeout", "unviable"
OUTCOMES = {"CaughtMutant": CAUGHT, "MissedMutant": MISSED, "Timeout": TIMEOUT, "Unviable": UNVIABLE}
# How nextest names a test that did not pass: `FAIL [   0.012s] (1/9) runtime::tasks a::b`. It kills those that still run then.
FAILED = re.compile(r"^\s*(FAIL|SIG(?!TERM|KILL)[A-Z]+|ABORT|TIMEOUT)\s+\[[^\]]*\]\s+(?:\([^)]*\)\s+)?(\S+ \S+)$", re.MULTILINE)


def copy(tree):
    """Makes `tree` the same as the working tree, and writes only files that differ: cargo goes by their times."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True, stdout=subprocess.PIPE
    ).stdout.decode().split("\0")
    wanted = {name for name in listed if name and pathlib.Path(name).is_file()}
    for name in wanted:
        source, copied = pathlib.Path(name), tree / name
        content = source.read_bytes()
        if not copied.is_file() or copied.read_bytes() != content:
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(content)
            copied.chmod(source.stat().st_mode)
    for folder in (path for path in tree.iterdir() if path.name != "target"):
        for found in [folder] if folder.is_file() else folder.rglob("*"):
            if found.is_file() and str(found.relative_to(tree)) not in wanted:
                found.unlink()


def tests(tree, package):
    """Prints an option for each integration test that needs no feature: `--test '*'` would demand the others', too."""
    metadata = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version=1", "--manifest-path", tree / "Cargo.toml"],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    for found in json.loads(metadata)["packages"]:
        for target in found["targets"] if found["name"] == package else []:
            if "test" in target["kind"] and not target.get("required-features"):
                print(f"--cargo-arg=--test={target['name']}")


def exactly(name):
    """An expression that matches this name alone."""
    return "^" + re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", name) + "$"


def choose(listed, shard):
    """Prints an expression for each mutant of the shard that matches its name alone.

    The shard follows from what is changed into what, not from line numbers: a mutant keeps its shard while the code
    around it changes. Those that read the same are told apart by their order.
    """
    number, of = (int(part) for part in shard.split("/"))
    seen = collections.Counter()
    for mutant in json.loads(listed.read_text("utf-8")):
        identity = re.sub(r":\d+:\d+: ", ": ", mutant["name"], count=1)
        seen[identity] += 1
        digest = hashlib.sha256(f"{identity} {seen[identity]}".encode()).digest()
        if int.from_bytes(digest[:8], "big") % of == number:
            print(exactly(mutant["name"]))


def outcomes(folder):
    """For each mutant of a pass: its name, what became of it, and the tests that failed."""
    written = folder / "outcomes.json"
    # It is not there where no mutant was left to be tested.
    for outcome in json.loads(written.read_text("utf-8"))["outcomes"] if written.is_file() else []:
        if outcome["scenario"] == "Baseline":
            continue
        name = outcome["scenario"]["Mutant"]["name"]
        summary = OUTCOMES[outcome["summary"]]
        seconds = sum(phase["duration"] for phase in outcome["phase_results"])
        log = (folder / outcome["log_path"]).read_text("utf-8", errors="replace")
        failed = sorted(set(FAILED.findall(log)))
        if summary == CAUGHT and failed and all(how == "TIMEOUT" for how, _ in failed):
            summary = TIMEOUT
        yield name, summary, failed, seconds


def judge(out):
    """Prints a table of what became of the mutants, and which were missed. Exits with 1 if those are too many."""
    # cargo-mutants does not ask its filters whether to leave out a field of a struct.
    chosen = set((out / "chosen").read_text("utf-8").splitlines())
    became, caught_by, total = {}, {}, 0
    for folder in sorted(out.glob("pass-*"), key=lambda folder: int(folder.name.removeprefix("pass-"))):
        for name, summary, failed, seconds in outcomes(folder):
            if exactly(name) not in chosen:
                continue
            became[name] = summary
            caught_by[name] = failed
            total += seconds
    kinds = (CAUGHT, MISSED, TIMEOUT, UNVIABLE)
    counts = collections.defaultdict(collections.Counter)
    for name, summary in became.items():
        counts["/".join(name.split("/")[:3]).split(":")[0]][summary] += 1
        counts["all"][summary] += 1
    print(f"{'':28}" + "".join(f"{kind:>10}" for kind in kinds))
    for place in sorted(counts, key=lambda place: (place == "all", place)):
        print(f"{place:28}" + "".join(f"{counts[place][kind]:>10}" for kind in kinds))
    for kind in (MISSED, TIMEOUT):
        for name in sorted(name for name, summary in became.items() if summary == kind):
            print(f"{kind}: {name}")
    with open(out / "caught-by.txt", "w", encoding="utf-8") as file:
        for name in sorted(became):
            if became[name] in (CAUGHT, TIMEOUT):
                tests = ", ".join(f"{test} ({how})" for how, test in caught_by[name])
                print(f"{name}\n    {tests or 'no test is named in its log'}", file=file)
    every = counts["all"]
    viable = every[CAUGHT] + every[MISSED] + every[TIMEOUT]
    if viable == 0:
        sys.exit("no mutant compiled: choose a larger shard")
    caught = every[CAUGHT] + every[TIMEOUT]
    seconds = total / len(became)
    print(f"caught or timed out: {caught} of {viable} viable mutants, {100 * caught / viable:.1f} %; {seconds:.0f} s each")
    if caught < LEAST_CAUGHT * viable:
        sys.exit(f"FAILED: less than {100 * LEAST_CAUGHT:.0f} % were caught")


if __name__ == "__main__":
    command, path, *rest = sys.argv[1:]
    {"copy": copy, "tests": tests, "choose": choose, "judge": judge}[command](pathlib.Path(path), *rest)
