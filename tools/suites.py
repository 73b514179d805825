#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds libchat plainly and under sanitizers and runs its test suites (call it by tools/test).

The last line is `N passed, N failed`, the sum over everything. The exit code is 1 when anything
failed or nothing ran.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOBS = str(os.cpu_count() or 2)

# Build directories: options for meson, environment for the compiler. Warnings are errors where the
# compiler sees the code as it is: what a sanitizer puts in makes gcc warn of things that cannot be.
BUILDS = {
    "plain": (["-Dwerror=true"], {}),
    "asan": (["-Dwerror=false", "-Db_sanitize=address,undefined", "-Db_lundef=false"], {}),
    "tsan": (["-Dwerror=false", "-Db_sanitize=thread", "-Db_lundef=false"], {}),
    "clang": (["-Dwerror=true"], {"CC": "clang"}),
    "small": (["-Dwerror=true", "-Dserver=false",
               "-Dclient-store=disabled", "-Ddeflate=disabled", "-Detcd=disabled",
               "-Dkafka=disabled", "-Dredis=disabled", "-Dcassandra=disabled",
               "-Dlz4=disabled"], {}),
}
RUNTIME = {
    "asan": {
        "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99:detect_stack_use_after_return=1"
                        ":strict_string_checks=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99",
    },
    "tsan": {"TSAN_OPTIONS": "halt_on_error=1:exitcode=99:second_deadlock_stack=1"},
}
# Sanitizers are slow; a test's time limit is meant for a plain build.
PATIENCE = {"asan": "4", "tsan": "10"}
CLOSING = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed", re.M)


class CannotRun(Exception):
    """A suite could not start; the text says why and what to do."""


class Absent(Exception):
    """The tree has no tests of this suite."""


class Result:
    def __init__(self):
        self.passed = 0
        self.failures = []

    def add(self, passed, failures):
        self.passed += passed
        self.failures += failures


def say(text=""):
    print(text, flush=True)


def environment(build=None):
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", PYTHONUNBUFFERED="1")
    env["PATH"] = os.path.dirname(sys.executable) + os.pathsep + env.get("PATH", "")
    if build:
        env.update(RUNTIME.get(build, {}))
        env["LIBCHAT_BUILD"] = env["LIBCHAT_BIN"] = os.path.join(ROOT, "build", build)
    return env


def stop_group(process):
    """End a command with everything that it started, so that none of it holds our pipe."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(args, env=None, timeout=2400):
    """(exit code, output) of a command, which may take `timeout` seconds."""
    try:
        process = subprocess.Popen(args, cwd=ROOT, env=env or environment(), text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, errors="replace",
                                   start_new_session=True)
    except FileNotFoundError:
        raise CannotRun(f"{args[0]} is not installed: run tools/setup test") from None
    try:
        text, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        stop_group(process)
        text = process.communicate()[0] + f"\nstopped after {timeout} s\n"
    except BaseException:
        stop_group(process)
        raise
    return process.returncode, text


def tail(text, count=40):
    lines = text.rstrip().splitlines()
    return "\n".join(lines[-count:])


class Builder:
    """Configures and compiles each build directory once."""

    def __init__(self):
        self.done = {}

    def get(self, name):
        if name not in self.done:
            self.done[name] = self._build(name)
        if isinstance(self.done[name], str):
            raise CannotRun(self.done[name])
        return os.path.join("build", name)

    def _build(self, name):
        folder, (options, extra) = os.path.join("build", name), BUILDS[name]
        started, env = time.monotonic(), environment()
        env.update(extra)
        code, text = self._configure(folder, options, env)
        if code:
            return f"meson setup {folder} failed:\n{tail(text)}"
        code, text = run(["ninja", "-C", folder, "-j", JOBS], env)
        if code:
            errors = [line for line in text.splitlines() if re.search(r"error|FAILED", line)]
            return f"the {name} build failed:\n" + "\n".join(errors[:30] or [tail(text)])
        say(f"  built {folder} ({time.monotonic() - started:.0f} s)")
        return True

    @staticmethod
    def _configure(folder, options, env):
        """Set up a new directory; give one that somebody else made our options."""
        full, stamp = os.path.join(ROOT, folder), os.path.join(ROOT, folder, "options-of-tests")
        has_setup = os.path.exists(os.path.join(full, "build.ninja"))
        wanted = " ".join(options) + "\n"
        if has_setup and os.path.exists(stamp):
            with open(stamp, encoding="utf-8") as file:
                if file.read() == wanted:
                    return 0, ""
        wipe = ["--wipe"] if os.path.exists(os.path.join(full, "meson-private")) else []
        code, text = run(["meson", "setup", *wipe, folder, *options], env)
        if code == 0:
            with open(stamp, "w", encoding="utf-8") as file:
                file.write(wanted)
        return code, text


BUILDER = Builder()


def registered(folder):
    """{suite: [name]} of the tests that meson knows."""
    code, text = run(["meson", "introspect", "--tests", folder])
    if code:
        raise CannotRun(f"meson introspect failed:\n{tail(text)}")
    suites = {}
    for test in json.loads(text):
        for suite in test["suite"]:
            suites.setdefault(suite.split(":")[-1], []).append(test["name"])
    return suites


def read_testlog(folder, log):
    passed, failures = 0, []
    path = os.path.join(ROOT, folder, "meson-logs", log + ".json")
    if not os.path.exists(path):
        return 0, []
    with open(path, encoding="utf-8") as file:
        for line in file:
            test = json.loads(line)
            if test["result"] in ("OK", "EXPECTEDFAIL"):
                passed += 1
                continue
            output = (test.get("stdout") or "") + (test.get("stderr") or "")
            failures.append((f"{test['name']} ({folder}): {test['result']}", tail(output, 60)))
    return passed, failures


def meson_suite(name, result, builds=("plain", "asan"), only=None, prefix=()):
    """One suite of meson in each build directory. `only` picks tests by name."""
    for build in builds:
        folder = BUILDER.get(build)
        names = registered(folder).get(name, [])
        wanted = [test for test in names if only is None or only(test)]
        if not wanted:
            raise Absent(f"no test is registered for suite {name}")
        log = "suite-" + name
        path = os.path.join(ROOT, folder, "meson-logs", log + ".json")
        if os.path.exists(path):
            os.remove(path)
        started = time.monotonic()
        code, text = run(list(prefix) + ["meson", "test", "-C", folder, "--no-rebuild",
                                         "--suite", name, "--logbase", log,
                                         "--timeout-multiplier", PATIENCE.get(build, "1")]
                         + (wanted if only else []), environment(build))
        passed, failures = read_testlog(folder, log)
        if passed + len(failures) == 0:
            raise CannotRun(f"meson test ran nothing:\n{tail(text)}")
        if code and not failures:
            failures = [(f"{name} ({folder})", tail(text))]
        say(f"  {build}: {passed} of {passed + len(failures)} passed "
            f"({time.monotonic() - started:.0f} s)")
        result.add(passed, failures)


def script_suite(path, result, builds=("plain",), args=(), timeout=1200):
    """A script that closes with `N passed, N failed`."""
    if not os.path.exists(os.path.join(ROOT, path)):
        raise Absent(f"there is no {path}")
    for build in builds:
        folder = BUILDER.get(build)
        command = [sys.executable, path] + [arg.format(build=folder) for arg in args]
        code, text = run(command, environment(build), timeout=timeout)
        closing = CLOSING.findall(text)
        if not closing:
            raise CannotRun(f"{path} ({build}) did not close with `N passed, N failed` "
                            f"(exit {code}):\n{tail(text)}")
        passed, failed = int(closing[-1][0]), int(closing[-1][1])
        if code and not failed:
            failed = 1
        failures = [(f"{path} ({build})", tail(text, 80))] if failed else []
        failures += [(f"{path} ({build})", "")] * (failed - 1)
        say(f"  {build}: {passed} of {passed + failed} passed")
        result.add(passed, failures)


def pytest_suite(path, result, build, prefix=(), python=sys.executable, more=None):
    """Tests in Python, with more in their environment; the counts come from the report in XML."""
    if not os.path.exists(os.path.join(ROOT, path)):
        raise Absent(f"there is no {path}")
    BUILDER.get(build)
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.xml")
        code, text = run([*prefix, python, "-m", "pytest", path, "-q", "-rs", "--tb=short",
                          "-p", "no:cacheprovider", f"--junitxml={report}"],
                         {**environment(build), **(more or {})}, timeout=2400)
        if code not in (0, 1) or not os.path.exists(report):
            raise CannotRun(f"pytest {path} ended with {code}:\n{tail(text, 60)}")
        passed, failures = 0, []
        for case in xml.parse(report).iter("testcase"):
            bad = [child for child in case if child.tag in ("failure", "error")]
            name = f"{case.get('classname')}::{case.get('name')} ({build})"
            if bad:
                failures.append((name, tail(bad[0].text or bad[0].get("message") or "", 60)))
            elif not any(child.tag == "skipped" for child in case):
                passed += 1
            else:
                say(f"  skipped: {name}")
    say(f"  {build}: {passed} of {passed + len(failures)} passed")
    result.add(passed, failures)


def suite_gates(result):
    """rules of the house: include direction, sizes, format, symbols, names, docs"""
    folder = BUILDER.get("plain")
    _, text = run([sys.executable, "tools/gates/run", "--build", folder])
    closing = CLOSING.findall(text)
    if not closing:
        raise CannotRun(f"tools/gates/run did not finish:\n{tail(text)}")
    passed, failed = (int(count) for count in closing[-1])
    failures = [("gates", text.rstrip().rsplit("\n", 1)[0])] if failed else []
    result.add(passed, failures + [("gates", "")] * (failed - 1))
    say(f"  {passed} of {passed + failed} passed")


def suite_clang(result):
    """everything compiles with clang and -Werror"""
    BUILDER.get("clang")
    result.add(1, [])


def suite_unit(result):
    """each room on its own, by path"""
    meson_suite("unit", result)


def suite_small(result):
    """the client's part alone, without server, zlib and SQLite: what is left works alike"""
    for name in ("unit", "oom", "abi", "examples"):
        meson_suite(name, result, builds=("small",))


def suite_contract(result):
    """one suite for each backend interface, on every backend"""
    meson_suite("contract", result)


def suite_oom(result):
    """every public call with each allocation failing in turn"""
    meson_suite("oom", result)


def suite_sim(result):
    """clusters in one deterministic simulation with faults"""
    meson_suite("sim", result)


def suite_fuzz(result):
    """the fuzz corpora, replayed"""
    meson_suite("fuzz", result)


def suite_install(result):
    """what meson installs: sonames, pkg-config, headers that suffice for the examples"""
    script_suite("tools/check-install", result, args=("{build}",))


def suite_api(result):
    """the reference of the API without a gap, the ABI against the one in tests/abi"""
    script_suite("tools/api-docs", result)
    script_suite("tools/api-check", result, args=("{build}",))


def suite_valgrind(result):
    """the examples under Valgrind"""
    os.environ["LIBCHAT_RUNNER"] = ("valgrind -q --error-exitcode=99 --leak-check=full "
                                    "--errors-for-leak-kinds=definite,possible")
    try:
        pytest_suite("tests/e2e/test_examples.py", result, "plain")
    finally:
        del os.environ["LIBCHAT_RUNNER"]


def suite_tsan(result):
    """what has threads, and the server with real clients, under the thread sanitizer"""
    prefix = []
    if subprocess.run(["setarch", "-R", "true"], capture_output=True).returncode == 0:
        # The runtime cannot place its shadow where the kernel randomizes addresses widely.
        prefix = ["setarch", "-R"]
    ran = 0
    for run_part in (
            lambda: meson_suite("unit", result, builds=("tsan",), prefix=prefix, only=has_threads),
            lambda: pytest_suite("tests/e2e/test_messaging.py", result, "tsan", prefix),
            lambda: pytest_suite("tests/e2e/test_messaging.py", result, "tsan", prefix,
                                 more={"LIBCHAT_CHATD": "tests/e2e/shared_chatd"})):
        try:
            run_part()
            ran += 1
        except Absent as reason:
            say(f"  {reason}")
    if not ran:
        raise Absent("no test with threads")


def has_threads(name):
    return name.split("/")[0] in ("server", "store", "client", "id")


def suite_other(result):
    """tests that are registered in meson under any other suite"""
    known = {"unit", "contract", "oom", "sim", "fuzz"}
    names = [name for name in registered(BUILDER.get("plain")) if name not in known]
    if not names:
        raise Absent("no other suites are registered")
    for name in names:
        meson_suite(name, result)


def suite_vectors(result):
    """test vectors against independent CBOR and CDDL libraries"""
    script_suite("tests/vectors/check.py", result)


def suite_conformance(result):
    """WebSocket, JSON and JWT conformance cases"""
    script_suite("tests/conformance/check.py", result, builds=("plain", "asan"))


def suite_e2e(result):
    """chatd and chat over loopback, plainly and under ASan"""
    for build in ("plain", "asan"):
        pytest_suite("tests/e2e", result, build)


def suite_python(result):
    """the Python package, as its wheel in an environment of its own, against engine and chatd"""
    home = os.path.join(ROOT, ".venv-python", "bin")
    python, wheels = os.path.join(home, "python"), os.path.join(ROOT, "build", "wheel")
    env = environment()
    env["PATH"] = home + os.pathsep + env["PATH"]
    for name in os.listdir(wheels) if os.path.isdir(wheels) else []:
        os.remove(os.path.join(wheels, name))
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    for command in (["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels,
                     "./bindings/python"],
                    ["install", "--no-deps", "--no-index", "--force-reinstall", "--find-links",
                     wheels, "libchat"]):
        code, text = run([*pip, *command], env)
        if code:
            raise CannotRun(f"pip {command[0]} failed:\n{tail(text)}")
    pytest_suite("bindings/python/tests", result, "plain", python=python)


def set_up_services():
    code, text = run(["tools/setup", "services"])
    if code:
        raise CannotRun(f"tools/setup services failed:\n{tail(text)}")


def suite_services(result):
    """against real Cassandra, Kafka, etcd and HAProxy, started on loopback"""
    set_up_services()
    pytest_suite("tests/services", result, "plain")


def suite_outages(result):
    """what users notice when a part of a cluster fails; minutes long, and only when it is named"""
    for name in ("outages", "moves"):
        pytest_suite(f"tests/services/{name}.py", result, "plain")


def suite_cluster(result):
    """e2e over three of each service, on one chatd and on three; hours, and only when it is named"""
    set_up_services()
    script_suite("tests/services/cluster.py", result, timeout=4 * 3600)


ON_DEMAND = {"outages", "cluster"}
SUITES = {name[6:]: function for name, function in list(globals().items())
          if name.startswith("suite_")}


def run_suite(name, asked_for, result):
    started, one = time.monotonic(), Result()
    say(f"== {name}: {SUITES[name].__doc__}")
    try:
        SUITES[name](one)
    except Absent as reason:
        if asked_for:
            one.add(0, [(name, f"nothing to run: {reason}")])
        else:
            say(f"  nothing to run: {reason}")
    except CannotRun as reason:
        one.add(0, [(name, f"could not run: {reason}")])
    for title, text in one.failures:
        if text:
            say(f"  FAIL {title}\n    " + text.replace("\n", "\n    "))
    say(f"  {name}: passed {one.passed}, failed {len(one.failures)}, "
        f"{time.monotonic() - started:.0f} s")
    result.add(one.passed, one.failures)


def main():
    parser = argparse.ArgumentParser(prog="tools/test", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE")
    parser.add_argument("--list", action="store_true", help="name the suites")
    args = parser.parse_args()
    if args.list:
        for name, function in SUITES.items():
            print(f"{name:12} {function.__doc__}")
        return 0
    unknown = [name for name in args.suites if name not in SUITES]
    if unknown:
        parser.error(f"no suite {unknown[0]}; there are: {' '.join(SUITES)}")
    started, result = time.monotonic(), Result()
    try:
        for name in args.suites or [name for name in SUITES if name not in ON_DEMAND]:
            run_suite(name, name in args.suites, result)
    except KeyboardInterrupt:
        result.add(0, [("interrupted", "")])
    say(f"== done in {time.monotonic() - started:.0f} s")
    titles = sorted({title for title, _ in result.failures})
    for title in titles:
        say(f"FAIL {title}")
    say(f"{result.passed} passed, {len(result.failures)} failed")
    return 1 if result.failures or not result.passed else 0


if __name__ == "__main__":
    sys.exit(main())
