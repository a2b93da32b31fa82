"""Mutation testing of what decides: every mutant that mutmut makes of `fhir_server/consent`, asked by the pure tests.

May live here: a copy of the house with its mutants, one collection of the tests, and a fork of it for each mutant. May
not know: any rule. mutmut 3 makes the mutants and would run pytest anew for each, which takes hours here; what is left
to it is what to change. Decorated functions, which it passes over, are written as `name = decorator(name)` first.

`python tools/mutants.py [module …] [--left] [--jobs N]`: `--left` asks again what was not killed, or has changed since.
When all were asked, `survivors.json` keeps the figures, and what survived waits there for its reason.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import gc
import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import survivors
from mutmut.mutation.file_mutation import MutatedFile, mutate_file_contents
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / "mutants"
ROOM = "fhir_server/consent"
RESULTS = COPY / "results.json"
COPIED = ("fhir_server", "profiles", "tests", "docs", "tools", "bench", "examples", "setup.cfg", "pyproject.toml")
TESTS = (
    "tests/security/test_generated_decisions.py",
    "tests/security/test_decisions.py",
    "tests/security/test_table_of_rules.py",
    "tests/unit/consent",
)
# what reads source text, or is about the rules as a list, tells nothing of a mutant
PASSED_OVER = "not (fifteen_lines or opens_with_its_french_term or every_reason_has or without_this_rule)"
# asked at once instead, without what pytest does around each
AT_ONCE = "and not a_case_is_decided_as_it_says and not a_generated_case_is_decided"
SECONDS = 60
KILLED, SURVIVED, TOO_LONG = "killed", "survived", "timeout"


def undecorated(code: str) -> str:
    """The module with `@property`, `@cache` and the like written after their function."""
    lines = code.splitlines()
    after: list[tuple[int, str]] = []
    drop: set[int] = set()
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.FunctionDef) or not node.decorator_list:
            continue
        texts = [ast.unparse(each) for each in node.decorator_list]
        if any(not re.match(r"(property|staticmethod|cache|lru_cache)\b", each) for each in texts):
            continue
        drop.update(line for each in node.decorator_list for line in range(each.lineno, (each.end_lineno or 0) + 1))
        wrapped = node.name
        for each in reversed(texts):
            wrapped = f"{each}({wrapped})"
        after.append((node.end_lineno or 0, f"{' ' * node.col_offset}{node.name} = {wrapped}"))
    added = dict(after)
    made: list[str] = []
    for number, line in enumerate(lines, 1):
        if number not in drop:
            made.append(line)
        if number in added:
            made.append(added[number])
    return "\n".join(made) + "\n"


def prepare() -> dict[str, MutatedFile]:
    """The copy, with the mutants in it; by module name."""
    results = RESULTS.read_text("utf-8") if RESULTS.exists() else None
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir()
    if results:
        RESULTS.write_text(results, "utf-8")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, COPY / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            shutil.copy2(source, COPY / name)
    for page in ROOT.glob("*.md"):
        shutil.copy2(page, COPY / page.name)
    made = {}
    for path in sorted((COPY / ROOM).glob("*.py")):
        code = undecorated(path.read_text("utf-8"))
        mutated = mutate_file_contents(path.name, code)
        path.write_text(mutated.code, "utf-8")
        made[path.stem] = mutated
    return made


def change(mutated: MutatedFile, name: str) -> str:
    """What a mutant changes, as the lines of a diff."""
    lines = mutated.code.splitlines()
    spans = mutated.line_span_by_function_name
    original = re.sub(r"__mutmut_\d+$", "__mutmut_orig", name)

    def body(of: str) -> list[str]:
        span = spans[of]
        return [line.replace(of, "f") for line in lines[span.start - 1 : span.end]]

    diff = list(difflib.unified_diff(body(original), body(name), lineterm="", n=0))
    return "\n".join(line for line in diff if line[:1] in "+-" and line[:3] not in ("+++", "---"))


def unremember(*modules: str) -> None:
    """Empty what modules keep of their functions' answers: those are of before the mutant."""
    for module in modules:
        found = vars(sys.modules[module])
        classes = [each for each in found.values() if isinstance(each, type) and each.__module__ == module]
        for each in (*found.values(), *(getattr(kind, name) for kind in classes for name in vars(kind))):
            if callable(getattr(each, "cache_clear", None)):
                each.cache_clear()


class Asking:
    """A plugin of pytest: its loop over the tests is run once for each mutant, in a fork."""

    def __init__(self, names: list[str], jobs: int, done: Any) -> None:
        self._names, self._jobs, self._done = names, jobs, done
        self._killers: dict[str, list[int]] = {}
        self._touch: dict[str, set[int]] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Ask without a mutant, which must pass, and then with each."""
        print(f"{len(session.items)} tests, {len(self._names)} mutants", flush=True)
        self._touch = self._functions_touched(session)
        running: dict[int, tuple[str, int]] = {}
        waiting = list(reversed(self._names))
        while waiting or running:
            while waiting and len(running) < self._jobs:
                name = waiting.pop()
                pid, read = self._fork(session, name)
                running[pid] = (name, read)
            pid, _ = os.wait()
            name, read = running.pop(pid)
            said, killer = self._read(read)
            if killer >= 0:
                kept = self._killers.setdefault(re.sub(r"__mutmut_\d+$", "", name), [])
                if killer in kept:
                    kept.remove(killer)
                kept.insert(0, killer)
            self._done(name, said, session.items[killer].nodeid if killer >= 0 else "")
        return True

    def _functions_touched(self, session: pytest.Session) -> dict[str, set[int]]:
        """The tests that come by each function, by one run without a mutant. Raises UsageError if one fails."""
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(read)
            set_mutant_under_test("stats")
            hit = state()._stats  # noqa: SLF001 - mutmut notes there which functions were come by
            touched: dict[str, list[int]] = {}
            failed = ""
            for number, item in enumerate(session.items):
                hit.clear()
                unremember(*(each for each in sys.modules if each.startswith(f"{ROOM.replace('/', '.')}.")))
                following = session.items[number + 1] if number + 1 < len(session.items) else None
                if any(each.failed for each in _run(item, following)):
                    failed = item.nodeid
                    break
                for function in hit:
                    touched.setdefault(function, []).append(number)
            with os.fdopen(write, "w") as told:
                json.dump({"failed": failed, "touched": touched}, told)
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as told:
            found = json.load(told)
        os.waitpid(pid, 0)
        if found["failed"]:
            raise pytest.UsageError(f"without a mutant this fails: {found['failed']}")
        return {name: set(numbers) for name, numbers in found["touched"].items()}

    def _fork(self, session: pytest.Session, name: str) -> tuple[int, int]:
        read, write = os.pipe()
        pid = os.fork()
        if pid:
            os.close(write)
            return pid, read
        os.close(read)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of its own time, not of the clock
        os.write(write, str(self._ask(session, name)).encode())
        os._exit(0)

    def _ask(self, session: pytest.Session, name: str) -> int:
        """The number of the first test that fails, -1 for none; those that killed a neighbour are asked first."""
        set_mutant_under_test(name)
        unremember(name.rpartition(".")[0])
        gc.freeze()
        function = re.sub(r"__mutmut_\d+$", "", name)
        touching = self._touch.get(function, set())
        first = self._killers.get(function, [])
        chosen = [*first, *sorted(touching.difference(first))]
        for place, number in enumerate(chosen):
            item = session.items[number]
            following = session.items[chosen[place + 1]] if place + 1 < len(chosen) else None
            reports = _run(item, following)
            if any(each.failed for each in reports):
                return number
        return -1

    def _read(self, read: int) -> tuple[str, int]:
        with os.fdopen(read) as told:
            text = told.read()
        if not text:
            return TOO_LONG, -1
        return (SURVIVED, -1) if text == "-1" else (KILLED, int(text))


def _run(item: pytest.Item, following: pytest.Item | None) -> list[Any]:
    from _pytest.runner import runtestprotocol

    item.config.hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    return runtestprotocol(item, log=False, nextitem=following)


def main() -> int:
    """Make the mutants, ask, and print what was killed and what was not."""
    parser = argparse.ArgumentParser(description="mutation testing of fhir_server/consent")
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--left", action="store_true", help="only what was not killed, or has changed since")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    given = parser.parse_args()
    set_mutant_under_test("")
    made = prepare()
    results: dict[str, dict[str, str]] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    rows: dict[str, tuple[str, str]] = {}
    for module, mutated in made.items():
        for name in mutated.mutant_names:
            function = re.sub(r"__mutmut_\d+$", "", name)
            rows[f"fhir_server.consent.{module}.{name}"] = (module, mutated.hash_by_function_name[function])
    results = {name: row for name, row in results.items() if name in rows and row["hash"] == rows[name][1]}
    wanted = [
        name
        for name, (module, _) in rows.items()
        if (not given.modules or module in given.modules)
        and not (given.left and results.get(name, {}).get("said") in (KILLED, TOO_LONG))
    ]
    begun = time.monotonic()

    def done(name: str, said: str, killer: str) -> None:
        module, hash_ = rows[name]
        diff = change(made[module], name.rpartition(".")[2])
        results[name] = {"hash": hash_, "said": said, "killer": killer, "change": diff}
        if said == SURVIVED:
            print(f"{name}\n{diff}", flush=True)
        if len(results) % 50 == 0:
            RESULTS.write_text(json.dumps(results, indent=1), "utf-8")

    os.chdir(COPY)
    sys.path[:] = [str(COPY), *(each for each in sys.path if Path(each or ".").resolve() not in (ROOT, ROOT / "tools"))]
    options = [
        "-q",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "--rootdir=.",
        "--tb=native",
        "-k",
        f"{PASSED_OVER} {AT_ONCE}",
    ]
    tests = [each for each in TESTS if Path(each).exists()]
    ended = pytest.main([*options, *tests], plugins=[Asking(wanted, given.jobs, done)])
    RESULTS.write_text(json.dumps(results, indent=1), "utf-8")
    report(rows, results, time.monotonic() - begun)
    if results.keys() != rows.keys():
        return int(ended)
    survivors.write(results)
    waiting = survivors.waiting()
    print(f"{len(waiting)} survivors have no reason in {survivors.FILE.relative_to(ROOT)}")
    return int(ended) or int(bool(waiting) or survivors.share() < survivors.GOAL)


def report(rows: dict[str, tuple[str, str]], results: dict[str, dict[str, str]], took: float) -> None:
    """The figures by module."""
    counts: dict[str, dict[str, int]] = {}
    for name, (module, _) in rows.items():
        said = results.get(name, {}).get("said", "not asked")
        counts.setdefault(module, {}).setdefault(said, 0)
        counts[module][said] += 1
    for module, row in counts.items():
        print(f"{module:14}", ", ".join(f"{number} {said}" for said, number in sorted(row.items())))
    killed = sum(row.get(KILLED, 0) + row.get(TOO_LONG, 0) for row in counts.values())
    print(f"{killed} of {len(rows)} killed, {100 * killed / len(rows):.1f} %, in {took:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
