// A real server for each test, with its own store and a free port.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** The fields of a job in the JSON API that the tests use. */
export interface Job {
  id: string;
  phase: string;
  inputs: { objects?: number; columns?: number };
  progress: { tasks: number; completed: number }[];
  error?: { type: string; detail: string; object?: string; remedy?: string };
}

/** The body of `POST /api/jobs`. */
export interface JobRequest {
  inputs:
    | { prefix: string }
    | { objects: string[] }
    | { generate: { files: number; count: number; format?: "csv" | "npy"; seed?: number } };
  name?: string;
  workers?: number;
  fan_in?: number | "auto";
  paced?: boolean;
  statistics?: string[];
}

const target =
  process.env.CARGO_TARGET_DIR ??
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "distributed-average/target");
export const program = process.env.DISTRIBUTED_AVERAGE ?? join(target, "debug/distributed-average");

/** The time limit for a server to start and to stop. */
const TIMEOUT_MS = 20_000;

export class Server {
  private readonly log: string[] = [];

  private process!: ChildProcess;

  private flags: string[] = [];

  private constructor(
    /** The address, such as `http://127.0.0.1:34567`. */
    public url: string,
    /** The folder of the store. */
    readonly store: string,
    private readonly slowness: number,
  ) {}

  /** Starts a server, on a copy of a store if one is named, and waits until it listens. */
  static async start(slowness = 1, kept?: string): Promise<Server> {
    const store = await mkdtemp(join(tmpdir(), "distributed-average-"));
    if (kept) {
      await cp(kept, store, { recursive: true });
    }
    const server = new Server("", store, slowness);
    // Pictures must not depend on how many processors there are.
    server.flags = kept ? ["--workers=2"] : [];
    await server.launch("127.0.0.1:0");
    return server;
  }

  /** Kills the server, as `kill -9` does. */
  async kill(): Promise<void> {
    const exited = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await exited;
  }

  /** Starts the server again, at the same address and on the same store. */
  async restart(): Promise<void> {
    await this.launch(new URL(this.url).host);
  }

  private async launch(listen: string): Promise<void> {
    const process = spawn(
      program,
      ["serve", "--listen", listen, "--store", this.store, `--slowness=${this.slowness}`, ...this.flags],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    this.process = process;
    const server = this;
    const note = (line: string) => {
      server.log.push(line);
    };
    createInterface({ input: process.stderr! }).on("line", note);
    server.url = await new Promise<string>((resolve, reject) => {
      const fail = (why: string) =>
        reject(new Error(`${program} ${why}:\n${server.log.join("\n")}`));
      const timer = setTimeout(() => fail("does not listen"), TIMEOUT_MS);
      process.once("error", (error) => fail(`cannot be started (${error.message})`));
      process.once("exit", (code) => fail(`ended with ${code}`));
      createInterface({ input: process.stdout! }).on("line", (line) => {
        note(line);
        const address = /^listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
        if (address) {
          clearTimeout(timer);
          resolve(address);
        }
      });
    });
  }

  /** Stops the server by SIGTERM, and removes its store. */
  async stop(): Promise<void> {
    const alive = this.process.exitCode === null && this.process.signalCode === null;
    if (alive) {
      const exited = once(this.process, "exit");
      this.process.kill("SIGTERM");
      const timer = setTimeout(() => this.process.kill("SIGKILL"), TIMEOUT_MS);
      await exited;
      clearTimeout(timer);
    }
    await rm(this.store, { recursive: true, force: true });
    if (!alive || this.process.signalCode === "SIGKILL") {
      throw new Error(`the server died or would not stop:\n${this.log.join("\n")}`);
    }
  }

  /** Uploads a file to the store. */
  async upload(key: string, content: string | Uint8Array<ArrayBuffer>): Promise<void> {
    await this.call("PUT", `/api/files/${key}`, content);
  }

  /** Submits a job and returns its id. */
  async submit(request: JobRequest): Promise<string> {
    const answer = await this.call("POST", "/api/jobs", JSON.stringify(request), {
      "content-type": "application/json",
    });
    return ((await answer.json()) as Job).id;
  }

  async job(id: string): Promise<Job> {
    return (await (await this.call("GET", `/api/jobs/${id}`)).json()) as Job;
  }

  /** The result of a job as a .npy file. */
  async result(id: string): Promise<Uint8Array> {
    const answer = await this.call("GET", `/api/jobs/${id}/result?format=npy`);
    return new Uint8Array(await answer.arrayBuffer());
  }

  /** Reads a job's events until it is over. */
  async over(id: string): Promise<Job> {
    for await (const { name, data } of this.events(`/api/jobs/${id}/events`)) {
      const jobs = name === "job" ? [data as Job] : name === "snapshot" ? (data as { jobs: Job[] }).jobs : [];
      const job = jobs.find((job) => job.id === id);
      if (job && ["done", "failed", "cancelled"].includes(job.phase)) {
        return job;
      }
    }
    throw new Error(`the events of job ${id} ended before the job did`);
  }

  /** The events of a stream. */
  async *events(path: string): AsyncGenerator<{ name: string; data: unknown }> {
    const answer = await this.call("GET", path);
    let text = "";
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const events = text.split(/\r?\n\r?\n/);
      text = events.pop()!;
      for (const event of events) {
        const name = /^event: ?(.*)$/m.exec(event)?.[1];
        const data = /^data: ?(.*)$/m.exec(event)?.[1];
        if (name && data) {
          yield { name, data: JSON.parse(data) as unknown };
        }
      }
    }
  }

  /** Deletes a job that is over. */
  async purge(id: string): Promise<void> {
    await this.call("DELETE", `/api/jobs/${id}?purge=true`);
  }

  /** The files generated for a job, read from the folder of the store. */
  async generated(id: string, extension: string): Promise<Uint8Array[]> {
    const folder = join(this.store, "jobs", id, "inputs");
    const files = (await readdir(folder)).filter((name) => name.endsWith(`.${extension}`)).sort();
    return Promise.all(files.map((name) => readFile(join(folder, name))));
  }

  private async call(
    method: string,
    path: string,
    body?: string | Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const answer = await fetch(this.url + path, { method, body, headers });
    if (!answer.ok) {
      throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    }
    return answer;
  }
}
