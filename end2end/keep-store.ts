// Makes the store of which the server of the pictures has a copy: some jobs that are over.

import { cp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { npyFile } from "./npy.ts";
import { Server } from "./server.ts";

/** What a server leaves that is not of its jobs. */
const TRANSIENT = ["server.json", ".server.lock", "lease.json"];

/** Computes the jobs, and replaces the folder `store` by the store of their server. */
export async function keepStore(folder: string): Promise<void> {
  const server = await Server.start();
  const over = async (request: Parameters<Server["submit"]>[0]) => server.over(await server.submit(request));
  const demo = { generate: { files: 30, count: 4096 } };
  await over({ inputs: demo, name: "Demo, paced on purpose", workers: 3, fan_in: 3, paced: true });
  for (let file = 0; file < 3; file++) {
    const numbers = Array.from({ length: 60 * 90 }, (_, at) => Math.sin(at / 90 / 9 + file) * Math.cos((at % 90) / 13));
    const table = numbers.slice(0, 200).join(",");
    numbers.fill(NaN, 1000, 1020);
    await server.upload(`in/field-${file}.npy`, npyFile(numbers, [60, 90]));
    await server.upload(`curves/${file}.csv`, `${table}\n`);
  }
  await over({ inputs: { prefix: "in/" }, name: "Image of three fields", workers: 2, statistics: ["std"] });
  await server.upload("in/broken/a_rather_long_name_of_a_file_that_cannot_be_read.csv", "1,2,temperature_2m\n");
  await over({ inputs: { prefix: "in/broken/" }, name: "Failed on purpose", workers: 2 });
  await over({ inputs: { prefix: "curves/" }, name: "Curve of three tables", workers: 2, statistics: ["max"] });
  const cancelled = await server.submit({ inputs: demo, name: "Cancelled on purpose", workers: 2, fan_in: 3, paced: true });
  await fetch(`${server.url}/api/jobs/${cancelled}`, { method: "DELETE" });
  await server.over(cancelled);
  await server.kill();
  await rm(folder, { recursive: true, force: true });
  await cp(server.store, folder, { recursive: true });
  // What was generated is not shown.
  for (const job of await readdir(join(folder, "jobs"))) {
    await rm(join(folder, "jobs", job, "inputs"), { recursive: true, force: true });
  }
  await Promise.all(TRANSIENT.map((name) => rm(join(folder, name), { force: true })));
  await rm(server.store, { recursive: true });
}
