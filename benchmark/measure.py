# SPDX-License-Identifier: Apache-2.0
"""The two load generators, and one figure of one system: throughput, latency, CPU, errors."""
import json
import os
import subprocess

VALUE_BYTES = 64
LARGE_VALUE_BYTES = 1024


class Shape:
    """One kind of load. `base`: whether it is compared as a write or as a read."""

    def __init__(self, name, title, base, generator, *argv):
        self.name = name
        self.title = title
        self.base = base
        self.generator = generator
        self.argv = argv


def shapes(rate):
    bench, redis = "kvorum-bench", "redis-benchmark"
    zipfian = ("--distribution", "zipfian")
    large = ("--value-size", LARGE_VALUE_BYTES, "--keys", 10000)
    return [
        Shape("set-1", "SET, 1 client", "write", bench, "--clients", 1),
        Shape("set-50", "SET, 50 clients", "write", bench, "--clients", 50),
        Shape("set-50x16", "SET, 50 clients, pipeline 16", "write", bench, "--clients", 50, "--pipeline", 16),
        Shape("set-256", "SET, 256 clients", "write", bench, "--clients", 256),
        Shape("set-256x16", "SET, 256 clients, pipeline 16", "write", bench, "--clients", 256, "--pipeline", 16),
        Shape("mixed-50", "half GET, half SET, 50 clients, zipfian", "write", bench, "--clients", 50,
              "--reads", 0.5, *zipfian),
        Shape("get-50", "GET, 50 clients", "read", bench, "--clients", 50, "--reads", 1),
        Shape("get-50x16", "GET, 50 clients, pipeline 16", "read", bench, "--clients", 50, "--reads", 1,
              "--pipeline", 16),
        Shape("open-set", f"SET, open loop, {rate:,} a second", "write", bench, "--clients", 50,
              "--rate", rate),
        Shape("rb-set-50", "SET, 50 clients", "write", redis, "-t", "set", "-c", 50),
        Shape("rb-get-50", "GET, 50 clients", "read", redis, "-t", "get", "-c", 50),
        # Last, and few keys: what comes before is read and weighed with short values.
        Shape("set-1k-50", "SET of 1 KiB, 50 clients", "write", bench, "--clients", 50, *large),
        Shape("set-1k-50x16", "SET of 1 KiB, 50 clients, pipeline 16", "write", bench, "--clients", 50, *large,
              "--pipeline", 16),
    ]


class Measure:
    def __init__(self, bin_folder, keys, duration_s, requests):
        self.bench = os.path.join(os.path.abspath(bin_folder), "kvorum-bench")
        self.keys = keys
        self.duration_s = duration_s
        self.requests = requests

    def run_bench(self, system, *argv):
        usual = [("--keys", self.keys), ("--value-size", VALUE_BYTES)]
        argv = [self.bench, "--port", system.port, "--json", *argv]
        for option, value in usual:
            if option not in argv:
                argv += [option, value]
        done = subprocess.run([str(word) for word in argv], capture_output=True, text=True)
        if not done.stdout:
            raise RuntimeError(f"kvorum-bench: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def fill(self, system):
        """Each key once: reads find something, and whoever must warm up has. What must follow a write
        follows them all, once."""
        result = self.run_bench(system, "--fill", "--pipeline", 16)
        if result["completed"] != self.keys:
            raise RuntimeError(f"could not fill: {result['errors']}, {result['unanswered']} not answered")

    def figure(self, system, shape):
        """None when this system cannot be driven so: redis-benchmark sends nothing behind a write, and
        a command that blocks its connection takes the sense out of a pipeline."""
        if system.after and (shape.generator == "redis-benchmark" or "--pipeline" in shape.argv):
            return None
        if shape.generator == "redis-benchmark":
            return self.redis_benchmark(system, shape)
        after = ["--after", system.after] if system.after else []
        cpu = system.cpu_seconds()
        result = self.run_bench(system, "--duration", self.duration_s, *shape.argv, *after)
        cpu = system.cpu_seconds() - cpu
        failed = dict(result["errors"])
        for what in ("late", "unanswered", "misses"):
            if result[what]:
                failed[what] = result[what]
        latencies = result["reads"] if "--reads" in shape.argv and shape.base == "read" else result["writes"]
        return {"per_s": result["per_s"], "p50": latencies["p50_us"], "p99": latencies["p99_us"],
                "p99.9": latencies["p99.9_us"], "cpu": cpu / max(1, result["completed"]) * 1e6,
                "failed": failed}

    def redis_benchmark(self, system, shape):
        cpu = system.cpu_seconds()
        argv = ["redis-benchmark", "-p", system.port, "-d", VALUE_BYTES, "-r", self.keys, "-n", self.requests,
                "--csv", *shape.argv]
        done = subprocess.run([str(word) for word in argv], capture_output=True, text=True)
        cpu = system.cpu_seconds() - cpu
        fields = [field.strip('"') for field in done.stdout.strip().splitlines()[-1:][0].split(",")] \
            if done.stdout.strip() else []
        if len(fields) < 8:  # what it says when a command answers an error
            return {"per_s": 0.0, "p50": 0.0, "p99": 0.0, "p99.9": None, "cpu": 0.0,
                    "failed": {(done.stderr or done.stdout).strip()[:80]: 1}}
        # test, rps, avg, min, p50, p95, p99, max; latencies in milliseconds
        return {"per_s": float(fields[1]), "p50": float(fields[4]) * 1000, "p99": float(fields[6]) * 1000,
                "p99.9": None, "cpu": cpu / self.requests * 1e6, "failed": {}}


def sampled_keys(keys, count):
    """Spelled as both generators do, evenly over all."""
    count = min(count, keys)
    return [f"key:{i * keys // count:012d}" for i in range(count)]
