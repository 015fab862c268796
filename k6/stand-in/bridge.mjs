// Synchronous HTTP. k6's `http.post` returns when the answer is there, and Node has no such call: so a worker
// thread does the exchange while this thread sleeps on a shared word.

import { once } from 'node:events';
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads';

const START_TIMEOUT_MS = 10_000;
// The worker ends an exchange by itself at its time limit; this thread gives it so much longer to say so.
const GRACE_MS = 2_000;

/** Starts the worker. Every request gets its answer, or `status` 0 and an `error`, within `timeoutMs`. */
export async function openBridge(timeoutMs) {
  const done = new Int32Array(new SharedArrayBuffer(4));
  const { port1: near, port2: far } = new MessageChannel();
  const worker = new Worker(new URL('./wire.mjs', import.meta.url), {
    workerData: { port: far, done, timeoutMs },
    transferList: [far],
  });
  // It must be running before this thread first sleeps, for Node starts a worker with this thread's help.
  await once(worker, 'message', { signal: AbortSignal.timeout(START_TIMEOUT_MS) });

  return {
    send(request) {
      Atomics.store(done, 0, 0);
      near.postMessage(request);
      if (Atomics.wait(done, 0, 0, timeoutMs + GRACE_MS) === 'timed-out') {
        throw new Error(`the HTTP thread gave no sign within ${timeoutMs + GRACE_MS} ms`);
      }
      return receiveMessageOnPort(near).message;
    },
    close: () => worker.terminate(),
  };
}
