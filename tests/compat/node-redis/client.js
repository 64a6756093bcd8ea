// SPDX-License-Identifier: Apache-2.0
// See ../README.md for what every client does here.
import { createClient, createCluster } from "redis";

const [mode, port] = [process.argv[2], Number(process.argv[3])];
const url = `redis://127.0.0.1:${port}`;
const connect = async () => {
  const fresh = mode === "cluster" ? createCluster({ rootNodes: [{ url }] }) : createClient({ url });
  fresh.on("error", () => {});
  await fresh.connect();
  return fresh;
};
let client = await connect();

const check = (condition, what) => {
  if (!condition) {
    console.log("WRONG " + what);
    process.exit(1);
  }
};

check((await client.set("compat:k", "v\u0000\r\n")) === "OK", "set");
check((await client.get("compat:k")) === "v\u0000\r\n", "get");
await client.del("compat:n");
// This library pipelines what is sent in one tick.
const replies = await Promise.all(Array.from({ length: 100 }, () => client.incr("compat:n")));
check(replies[99] === 100, "pipeline");
console.log("READY");

const within = (promise, ms) =>
  Promise.race([promise, new Promise((_, reject) => setTimeout(() => reject(new Error("slow")), ms))]);
let sets = 0, errors = 0, acknowledged = 0;
const end = Date.now() + 6000;
for (let i = 1; Date.now() < end; i++) {
  try {
    await within(client.set("compat:seq", String(i)), 2000);
    acknowledged = i;
    sets++;
    const read = Number(await within(client.get("compat:seq"), 2000));
    check(read >= acknowledged, `read ${read} after ${acknowledged}`);
  } catch (error) {
    errors++;
    // The cluster client of this library waits for a node that is gone, and looks at the others only
    // when that one answers.
    if (mode === "cluster" && error.message === "slow") client = await connect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
check(Number(await within(client.get("compat:seq"), 2000)) >= acknowledged, "the last write");
console.log(`DONE sets=${sets} errors=${errors}`);
process.exit(0);
