import { connect } from 'node:net';
import type { BrokerLogin } from './broker-login.js';

const ANSWER_MS = 2_000;
const RETRY_MS = 25;

/** Sends text to a loopback port and reads until the answer matches; undefined when it does not match in time. */
function exchange(port: number, send: string, until: RegExp): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ host: '127.0.0.1', port });
    const settle = (answer: string | undefined) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(ANSWER_MS, () => settle(undefined));
    socket.on('connect', () => socket.write(send));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (until.test(text)) settle(text);
    });
    socket.on('error', () => settle(undefined));
    socket.on('close', () => settle(undefined));
  });
}

/** nats-server greets with INFO, and answers PING when it serves clients. */
export async function natsAnswers(port: number, login?: BrokerLogin): Promise<boolean> {
  const credentials = login === undefined ? {} : { user: login.user, pass: login.password };
  const hello = JSON.stringify({ verbose: false, ...credentials });
  const answer = await exchange(port, `CONNECT ${hello}\r\nPING\r\n`, /PONG\r\n|-ERR/);
  return answer?.includes('PONG') === true;
}

/** Whether the monitoring port reports the server as healthy; JetStream is up then. */
export async function natsIsHealthy(monitorPort: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${monitorPort}/healthz`, { signal: AbortSignal.timeout(ANSWER_MS) });
    return response.ok;
  } catch {
    return false;
  }
}

export async function redisAnswers(port: number, login?: BrokerLogin): Promise<boolean> {
  const auth = login === undefined ? '' : `AUTH ${login.user} ${login.password}\r\n`;
  const answer = await exchange(port, `${auth}PING\r\n`, /\+PONG\r\n|-/);
  return answer?.endsWith('+PONG\r\n') === true;
}

/** Whether this node sees the whole cluster: all slots served, and `nodes` nodes known. */
export async function clusterIsComplete(port: number, nodes: number): Promise<boolean> {
  const answer = await exchange(port, 'CLUSTER INFO\r\n', /cluster_known_nodes:\d+\r\n[\s\S]*cluster_size:\d+\r\n/);
  if (answer === undefined) return false;
  return (
    answer.includes('cluster_state:ok') &&
    answer.includes('cluster_slots_ok:16384') &&
    answer.includes(`cluster_known_nodes:${nodes}\r\n`)
  );
}

/** Polls until it is ready, the time is over, or `giveUp` returns true. Returns whether it is ready. */
export async function until(
  isReady: () => Promise<boolean>,
  timeoutMs: number,
  giveUp: () => boolean = () => false,
): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (!giveUp()) {
    if (await isReady()) return true;
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  return false;
}
