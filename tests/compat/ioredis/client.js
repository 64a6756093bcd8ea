// SPDX-License-Identifier: Apache-2.0
// See ../README.md for what every client does here.
import Redis from "ioredis";

const [mode, port] = [process.argv[2], Number(process.argv[3])];
const client =
  mode === "cluster"
    ? new Redis.Cluster([{ host: "127.0.0.1", port }])
    : new Redis({ host: "127.0.0.1", port });
client.on("error", () => {});

const check = (condition, what) => {
  if (!condition) {
    console.log("WRONG " + what);
    process.exit(1);
  }
};

check((await client.set("compat:k", "v\u0000\r\n")) === "OK", "set");
check((await client.get("compat:k")) === "v\u0000\r\n", "get");
await client.del("compat:n");
const pipeline = client.pipeline();
for (let i = 0; i < 100; i++) pipeline.incr("compat:n");
const replies = await pipeline.exec();
check(replies[99][1] === 100, "pipeline");
console.log("READY");

let sets = 0, errors = 0, acknowledged = 0;
const end = Date.now() + 6000;
for (let i = 1; Date.now() < end; i++) {
  try {
    await client.set("compat:seq", String(i));
    acknowledged = i;
    sets++;
    const read = Number(await client.get("compat:seq"));
    check(read >= acknowledged, `read ${read} after ${acknowledged}`);
  } catch (error) {
    errors++;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
check(Number(await client.get("compat:seq")) >= acknowledged, "the last write");
console.log(`DONE sets=${sets} errors=${errors}`);
client.disconnect();
