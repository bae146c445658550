// What a page takes of the reader's machine, as the page itself sees it: long tasks, frames,
// and the time from an event of the server to the frame that shows it.

import { type CDPSession, type Page } from "@playwright/test";

/** What [`record`] has recorded since [`begin`], in milliseconds. */
export interface Recorded {
  /** How long it was recorded. */
  time: number;
  /** The tasks of more than 50 ms of wall time. */
  longTasks: number[];
  /** The times from frame to frame. */
  frames: number[];
  /** The times from the arrival of each event to the end of the frame after it. */
  events: number[];
}

/** Records from now on, also on pages that are opened later. */
export async function record(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const recorded = { from: 0, longTasks: [] as number[], frames: [] as number[], events: [] as number[] };
    Object.assign(window, { recorded });
    new PerformanceObserver((list) => {
      for (const task of list.getEntries()) {
        if (task.startTime >= recorded.from) {
          recorded.longTasks.push(task.duration);
        }
      }
    }).observe({ type: "longtask", buffered: true });
    let last = performance.now();
    const frame = (now: number) => {
      recorded.frames.push(now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    const listen = EventSource.prototype.addEventListener;
    const heard = new WeakSet<EventSource>();
    EventSource.prototype.addEventListener = function (this: EventSource, ...args: Parameters<typeof listen>) {
      if (!heard.has(this)) {
        heard.add(this);
        for (const name of ["snapshot", "job", "workers", "tasks"]) {
          listen.call(this, name, (event) => {
            // Before that of the page, so both are called for the same frame; what the page has
            // changed then is drawn before the message arrives.
            requestAnimationFrame(() => {
              const { port1, port2 } = new MessageChannel();
              port1.onmessage = () => recorded.events.push(performance.now() - event.timeStamp);
              port2.postMessage(null);
            });
          });
        }
      }
      listen.apply(this, args);
    } as typeof listen;
  });
}

interface Recording extends Recorded {
  from: number;
}

/** Forgets what was recorded before. */
export async function begin(page: Page): Promise<void> {
  await page.evaluate(() => {
    const { recorded } = window as unknown as { recorded: Recording };
    Object.assign(recorded, { from: performance.now(), longTasks: [], frames: [], events: [] });
  });
}

export async function recorded(page: Page): Promise<Recorded> {
  return page.evaluate(() => {
    const { recorded } = window as unknown as { recorded: Recording };
    return { ...recorded, time: performance.now() - recorded.from };
  });
}

/** The value that a fraction of the values do not exceed; NaN of none. */
export function quantile(values: number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? NaN;
}

/** What was recorded, in a line. */
export function inWords({ time, longTasks, frames, events }: Recorded): string {
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  return (
    `${(time / 1000).toFixed(0)} s: ${longTasks.length} long tasks, longest ${ms(Math.max(0, ...longTasks))}; ` +
    `${((frames.length * 1000) / time).toFixed(1)} frames a second, 99 % within ${ms(quantile(frames, 0.99))}; ` +
    `${events.length} events, to the frame median ${ms(quantile(events, 0.5))}, 99 % ${ms(quantile(events, 0.99))}`
  );
}

/** The memory of a page after a garbage collection. */
export interface Memory {
  /** Of JavaScript and of the buffers, that of WebAssembly included, in MB. */
  heap: number;
  nodes: number;
}

export async function memory(session: CDPSession): Promise<Memory> {
  await session.send("HeapProfiler.collectGarbage");
  const usage = (await session.send("Runtime.getHeapUsage")) as { usedSize: number; backingStorageSize?: number };
  const { nodes } = await session.send("Memory.getDOMCounters");
  return { heap: (usage.usedSize + (usage.backingStorageSize ?? 0)) / 1e6, nodes };
}

/** Has the picture of a job's attempts zoomed in and out with every frame, for some seconds. */
export async function zoom(page: Page, seconds: number): Promise<void> {
  await page.locator("#run-scroll").evaluate(async (scroller, seconds) => {
    const began = performance.now();
    for (let frame = 0; performance.now() - began < seconds * 1000; frame++) {
      await new Promise(requestAnimationFrame);
      const { left, top, width } = scroller.getBoundingClientRect();
      const deltaY = frame % 12 < 6 ? -20 : 20;
      const at = { clientX: left + width / 2, clientY: top + 10 };
      scroller.dispatchEvent(new WheelEvent("wheel", { ...at, deltaY, ctrlKey: true, bubbles: true, cancelable: true }));
    }
  }, seconds);
}

/** A task in a browser trace, times in microseconds; see the Trace Event Format. */
interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  tdur?: number;
  args: { name?: string };
}

/**
 * The CPU time of each task on the main threads of pages, in milliseconds, from a trace of the
 * category `toplevel`. Unlike wall time it does not tell how busy the machine is.
 */
export function pageTasks(trace: Buffer): number[] {
  const events = (JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] }).traceEvents;
  const threads = events.filter((event) => event.name === "thread_name" && event.args.name === "CrRendererMain");
  const main = new Set(threads.map(({ pid, tid }) => `${pid} ${tid}`));
  return events
    .filter((event) => event.ph === "X" && event.tdur !== undefined && main.has(`${event.pid} ${event.tid}`))
    .map((event) => event.tdur! / 1000);
}
