# SPDX-License-Identifier: Apache-2.0
"""Three-node etcd, driven by its own load generator, for it speaks no RESP."""
import os
import re
import shutil
import subprocess

from peers import System, free_port, wait_until


def writes_per_second(parent_folder):
    """What `etcdctl check perf --load xl` says (a minute); None when there is no etcd here."""
    if not shutil.which("etcd") or not shutil.which("etcdctl"):
        return None
    system = System(parent_folder)
    nodes = {f"n{i}": (f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}") for i in range(3)}
    members = ",".join(f"{name}={peer}" for name, (_, peer) in nodes.items())
    etcdctl = ["etcdctl", "--endpoints", ",".join(client for client, _ in nodes.values())]
    environment = dict(os.environ, ETCDCTL_API="3")
    try:
        for name, (client, peer) in nodes.items():
            system.start(["etcd", "--name", name, "--data-dir", "data", "--listen-client-urls", client,
                          "--advertise-client-urls", client, "--listen-peer-urls", peer,
                          "--initial-advertise-peer-urls", peer, "--initial-cluster", members])

        def healthy():
            return subprocess.run([*etcdctl, "endpoint", "health"], env=environment,
                                  capture_output=True).returncode == 0
        wait_until(healthy, "etcd's start", 40)
        done = subprocess.run([*etcdctl, "check", "perf", "--load", "xl"], env=environment,
                              capture_output=True, text=True)
        match = re.search(r"(\d+) writes/s", done.stdout + done.stderr)
        return float(match.group(1)) if match else None
    finally:
        system.close()
