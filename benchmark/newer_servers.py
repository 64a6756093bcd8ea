# SPDX-License-Identifier: Apache-2.0
"""Redis 8 and Valkey 8 from Debian 13's packages, in a folder, whatever this machine runs itself.

debootstrap unpacks a small Debian there; nothing of it is entered. Its programs are started through
its own loader with its own libraries, on the paths of this machine. Takes a minute and 250 MB, once.
"""
import os
import platform
import shutil
import subprocess

SUITE = "trixie"
PROGRAMS = {"redis8": "redis-server", "valkey": "valkey-server"}


def command_of(folder, program):
    """The command that starts it, or None."""
    for machine in (platform.machine() + "-linux-gnu",):
        libraries = os.path.join(folder, "usr/lib", machine)
        binary = os.path.join(folder, "usr/bin", program)
        loaders = [os.path.join(folder, "usr", where, name)
                   for where, name in (("lib64", "ld-linux-x86-64.so.2"), ("lib", "ld-linux-aarch64.so.1"))]
        for loader in loaders:
            if os.path.exists(loader) and os.path.exists(binary):
                return [loader, "--library-path", libraries, binary]
    return None


def find(folder):
    folder = os.path.abspath(folder)
    found = {name: command_of(folder, program) for name, program in PROGRAMS.items()}
    return {name: command for name, command in found.items() if command}


def prepare(folder):
    """(commands by name, what to say about those that are missing or '')"""
    found = find(folder)
    if len(found) == len(PROGRAMS):
        return found, ""
    debootstrap = shutil.which("debootstrap", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if debootstrap is None:
        return found, "Redis 8 and Valkey 8 are left out: no debootstrap here."
    if os.geteuid() != 0:
        return found, "Redis 8 and Valkey 8 are left out: debootstrap needs root."
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.dirname(os.path.abspath(folder)), exist_ok=True)
    log = os.path.abspath(folder) + ".log"
    with open(log, "wb") as out:
        done = subprocess.run([debootstrap, "--variant=minbase", "--include=valkey-server,redis-server",
                               SUITE, folder], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        return {}, f"Redis 8 and Valkey 8 are left out: debootstrap failed, see {os.path.relpath(log)}."
    return find(folder), ""


def version(command):
    """'8.0.2', or '?'."""
    done = subprocess.run([*command, "--version"], capture_output=True, text=True)
    words = dict(word.split("=", 1) for word in done.stdout.split() if "=" in word)
    return words.get("v", "?")
