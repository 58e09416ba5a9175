#!/usr/bin/env python3
"""Builds kvik in several ways and runs the tests of each: tools/test.py [--long] [BUILD...]

BUILD   plain    build        as users build it
        address  build-asan   AddressSanitizer and UndefinedBehaviorSanitizer
        clang    build-clang  the other compiler, warnings as errors
        thread   build-tsan   ThreadSanitizer: the tests labelled `threads`
--long  instead what takes minutes, from random seeds: the tests labelled `long`; for thread those labelled
        `threads_long`

While the tests of one build run, the next is built with what they leave of the processors.

Which suite (folder of tests/) runs in which build, and how much processor time it may take there, is a table:
tests/budgets.txt. Ends with 1 when a build or a test fails, when a suite needs more than its budget, and, with CI=true,
when something is skipped that tests/skips.txt does not name. Random tests begin at one seed, whatever the day
(KVIK_SEED_BASE). The last lines say how many passed, failed and were skipped."""
import json
import os
import re
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as xml

SANITIZE = ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DKVIK_SANITIZE="]
BUILDS = {
    "plain": ("build", []),
    "address": ("build-asan", [SANITIZE[0], SANITIZE[1] + "address,undefined"]),
    "clang": ("build-clang", ["-DCMAKE_C_COMPILER=clang", "-DCMAKE_CXX_COMPILER=clang++"]),
    "thread": ("build-tsan", [SANITIZE[0], SANITIZE[1] + "thread"]),
}
JOBS = os.environ.get("JOBS") or str(os.cpu_count())
NICE = 10  # of a build beside the tests of another
NEW_SUITE = 30  # seconds of a suite that has no line yet
KINDS = {"long", "threads", "threads_long"}  # labels that are no suite
CASE_SKIPPED = re.compile(r"^\[  SKIPPED \] (\w+)$", re.M)  # of a cmocka program
SKIPPED = re.compile(r"^skipped: |^OK \(skipped=", re.M)  # of a script; of Python's unittest


def run(args, nice=0, **options):
    """Exit status and processor seconds of a command and all that it waited for."""
    process = subprocess.Popen(["nice", "-n", str(nice), *args], **options)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, used.ru_utime + used.ru_stime


def read_table(path):
    """Rows of words; what follows # is a comment."""
    with open(path) as f:
        lines = [line.split("#")[0].split() for line in f]
    return [line for line in lines if line]


def read_budgets():
    """{build: {suite: seconds}}; a dash in the table: the suite is not run there."""
    head, *rows = read_table("tests/budgets.txt")
    return {build: {row[0]: float(row[i]) for row in rows if row[i] != "-"} for i, build in enumerate(head[1:], 1)}


class Build:
    """One build, made in the background: start, then wait, which gives {test: labels}."""

    def __init__(self, name, targets):
        self.name, self.targets, self.folder = name, targets, BUILDS[name][0]
        self.tests, self.failure, self.used = {}, None, 0

    def start(self, nice=0):
        self.began, self.thread = time.time(), threading.Thread(target=self.make, args=(nice,))
        self.thread.start()

    def make(self, nice):
        if self.call(["cmake", "-S", ".", "-B", self.folder, "-G", "Ninja", *BUILDS[self.name][1]], nice):
            tests = list_tests(self.folder)
            more = [option for t in self.targets(tests) for option in ("--target", t)]
            if self.call(["cmake", "--build", self.folder, "-j", JOBS, *more], nice):
                self.tests = tests
        self.took = time.time() - self.began

    def call(self, args, nice):
        with open(self.folder + ".log", "w") as f:
            rc, used = run(args, nice, stdout=f, stderr=subprocess.STDOUT)
        self.used += used
        if rc:
            self.failure = f"kvik: failed: {' '.join(args)} (all of it in {self.folder}.log)"
        return not rc

    def wait(self):
        self.thread.join()
        if not self.tests:
            if self.failure:
                with open(self.folder + ".log") as f:
                    print("".join(f.readlines()[-60:]))
            sys.exit(self.failure or f"kvik: {self.name}: no tests were found, see above")
        print(f"{self.name:8} built        {self.took:6.1f} s, {self.used:6.1f} s of processor time", flush=True)
        return self.tests


def list_tests(folder, *options):
    """{name: labels}"""
    out = subprocess.run(["ctest", "--test-dir", folder, "--show-only=json-v1", *options], capture_output=True, text=True, check=True)
    return {t["name"]: [v for p in t["properties"] if p["name"] == "LABELS" for v in p["value"]] for t in json.loads(out.stdout)["tests"]}


class Results:
    def __init__(self):
        self.passed, self.failed, self.skipped, self.over = 0, [], [], []

    def add(self, build_name, path):
        """What a run of ctest says; returns its counts."""
        n = [0, 0, 0]
        for case in xml.parse(path).getroot().iter("testcase"):
            name, said = case.get("name"), case.findtext("system-out") or ""
            if case.find("failure") is not None or case.get("status") in ("fail", "disabled"):
                self.failed.append(f"{build_name}/{name}")
                n[1] += 1
                continue
            whole = case.get("status") == "notrun"
            parts = set(CASE_SKIPPED.findall(said)) or ({"*"} if whole or SKIPPED.search(said) else set())
            self.skipped += [f"{name}/{part}" for part in parts]
            n[2 if whole else 0] += 1
        self.passed += n[0]
        return n


def run_suite(results, name, suite, tests, budget, options=()):
    folder = BUILDS[name][0]
    junit = os.path.abspath(f"{folder}/{suite}.xml")
    start = time.time()
    _, used = run(["ctest", "--test-dir", folder, "-Q", "-j", JOBS, "--output-junit", junit, "--test-output-size-passed", "1000000",
                   "--test-output-size-failed", "100000000", *options, "-R", "^(" + "|".join(tests) + ")$"])
    passed, failed, skipped = results.add(name, junit)
    print(f"{name:8} {suite:9} {passed:3} passed {failed:2} failed {skipped:2} skipped {time.time() - start:6.1f} s, "
          f"{used:6.1f} of {budget:g} s of processor time", flush=True)
    if failed:
        show_failures(junit)
    if used > budget:
        results.over.append(f"{name}/{suite}: {used:.0f} s of processor time, {budget:g} allowed")


def show_failures(junit):
    for case in xml.parse(junit).getroot().iter("testcase"):
        if case.find("failure") is not None:
            print(f"---- {case.get('name')}\n{(case.findtext('system-out') or '')[-20000:]}\n----")


def targets_of(label):
    """What has to be built for the tests with a label; nothing stands for everything."""
    return lambda tests: ["kvik"] + [t for t, labels in tests.items() if t.startswith("test_") and label in labels]


def run_build(results, build, budgets):
    name, tests = build.name, build.tests
    if name == "thread":
        tests = {t: labels for t, labels in tests.items() if "threads" in labels}
    suites = {}
    for t, labels in tests.items():
        suites.setdefault(min(set(labels) - KINDS, default="house"), []).append(t)
    for suite in sorted(suites):
        known = any(suite in b for b in budgets.values())
        budget = budgets[name].get(suite, None if known else NEW_SUITE)
        if budget:
            run_suite(results, name, suite, suites[suite], budget)


def run_long(results, build, _):
    label = "threads_long" if build.name == "thread" else "long"
    tests = [t for t, labels in list_tests(build.folder, "-C", "long").items() if label in labels]
    run_suite(results, build.name, "long", tests, float("inf"), ("-C", "long"))


def main():
    long = "--long" in sys.argv
    names = [a for a in sys.argv[1:] if a != "--long"] or ["plain"]
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    results, start = Results(), time.time()
    if not long:
        os.environ.setdefault("KVIK_SEED_BASE", "1")
    everything, run_tests = lambda tests: [], run_long if long else run_build
    of_threads = targets_of("threads_long" if long else "threads")
    builds = [Build(name, of_threads if name == "thread" else everything) for name in names]
    builds[0].start()
    for build, following in zip(builds, builds[1:] + [None]):
        build.wait()
        if following:
            following.start(NICE)
        run_tests(results, build, read_budgets())
    known = {row[0] for row in read_table("tests/skips.txt")}
    unknown = sorted({s for s in results.skipped if s not in known and s.split("/")[0] + "/*" not in known})
    strict = os.environ.get("CI") == "true"
    for f in results.failed:
        print(f"FAILED: {f}")
    for o in results.over:
        print(f"OVER ITS BUDGET: {o} (tests/budgets.txt)")
    for s in unknown:
        print(f"{'SKIPPED, AND NOT NAMED' if strict else 'skipped'}: {s} (tests/skips.txt)")
    print(f"kvik: {results.passed} tests passed, {len(results.failed)} failed, {len(results.skipped)} skipped as a whole or in part, "
          f"in {time.time() - start:.0f} s ({', '.join(names)})")
    sys.exit(1 if results.failed or results.over or (strict and unknown) else 0)


main()
