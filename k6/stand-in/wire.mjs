// The worker thread behind bridge.mjs: one exchange at a time, over keep-alive connections.

import { Agent, request as open } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

const { port, done, timeoutMs } = workerData;
const ANSWER_BYTES_MAX = 1024 * 1024;
// A virtual user of k6 has connections of its own.
const agents = new Map();

function agentOf(vu) {
  if (!agents.has(vu)) {
    agents.set(vu, new Agent({ keepAlive: true, maxSockets: 1 }));
  }
  return agents.get(vu);
}

// The limit covers the whole exchange, so a server that drips its answer ends with it, too.
function exchange({ vu, url, headers, body }) {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const limit = AbortSignal.timeout(timeoutMs);
    const fail = (error) => reject(limit.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error);
    const request = open(url, { method: 'POST', agent: agentOf(vu), headers, signal: limit });
    request.on('error', fail);
    request.on('response', (incoming) => {
      const waiting = performance.now() - startedAt;
      readBody(incoming).then((text) => {
        const duration = performance.now() - startedAt;
        const timings = { duration, waiting, receiving: duration - waiting };
        resolve({ status: incoming.statusCode, body: text, error: '', timings, reused: request.reusedSocket });
      }, fail);
    });
    request.end(body);
  });
}

async function readBody(incoming) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of incoming) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) {
      throw new Error(`an answer of more than ${ANSWER_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function unanswered(error) {
  const timings = { duration: 0, waiting: 0, receiving: 0 };
  return { status: 0, body: null, error: error.message || String(error.code), timings, reused: false };
}

port.on('message', async (request) => {
  // `exchange` may also throw before it has a promise: on a URL that is none.
  const answer = await Promise.resolve(request).then(exchange).catch(unanswered);
  port.postMessage(answer);
  Atomics.store(done, 0, 1);
  Atomics.notify(done, 0);
});

parentPort.postMessage('ready');
