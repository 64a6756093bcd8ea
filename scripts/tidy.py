# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy over the product's sources, in parallel, and remembers what passed.

A file's stamp is a hash of everything that its verdict depends on: the rules, the compile command,
and the content of the file and of every header of ours that it includes, directly or not.
"""
import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import time

FOLDERS = ("base", "resp", "raft", "disk", "store", "replica", "metrics", "server")
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.M)


class Stamps:
    def __init__(self, root):
        self.root = root
        self.contents = {}
        self.rules = (root / ".clang-tidy").read_bytes()
        version = subprocess.run(["clang-tidy-19", "--version"], capture_output=True, check=True)
        self.version = version.stdout

    def content(self, path):
        if path not in self.contents:
            file = self.root / path
            self.contents[path] = file.read_bytes() if file.is_file() else b""
        return self.contents[path]

    def of(self, source, command):
        seen, queue = {source}, [source]
        while queue:
            for found in INCLUDE.findall(self.content(queue.pop())):
                name = found.decode()
                if name not in seen:
                    seen.add(name)
                    queue.append(name)
        digest = hashlib.sha256(self.version + self.rules + command.encode())
        for name in sorted(seen):
            digest.update(name.encode() + b"\0" + self.content(name) + b"\0")
        return digest.hexdigest()


def check(source, build):
    begun = time.monotonic()
    run = subprocess.run(
        ["clang-tidy-19", "-p", build, "--quiet", "--extra-arg=-Wno-unknown-warning-option",
         "--warnings-as-errors=*", source],
        capture_output=True, text=True)
    return source, run.returncode, run.stdout + (run.stderr if run.returncode else ""), \
        time.monotonic() - begun


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--cache", required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timing", action="store_true", help="print what each file took")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()

    root = pathlib.Path.cwd()
    cache = pathlib.Path(options.cache)
    cache.mkdir(parents=True, exist_ok=True)
    stamps = Stamps(root)
    wanted, skipped = {}, 0
    for entry in json.loads((root / options.build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if not path.is_file() or root not in path.parents:
            continue
        source = str(path.relative_to(root))
        if source.split("/")[0] not in FOLDERS or (options.files and source not in options.files):
            continue
        stamp = cache / stamps.of(source, entry["command"])
        if stamp.exists():
            skipped += 1
        else:
            wanted[source] = stamp
    print(f"{len(wanted)} files to check, {skipped} unchanged since they passed", flush=True)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done in concurrent.futures.as_completed(
                [pool.submit(check, source, options.build) for source in wanted]):
            source, code, output, seconds = done.result()
            if options.timing:
                print(f"{seconds:6.1f} s {source}")
            if code == 0:
                wanted[source].touch()
                continue
            failed += 1
            print(output.strip() or f"{source}: clang-tidy ended with {code}", flush=True)
    if failed:
        print(f"clang-tidy: {failed} files have findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
