import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Broker, connectNats } from '@muster/bus';
import { silentLogger } from '@muster/runtime';
import { CpuMeter, type CpuUse } from '../measure/process-cpu.js';
import { MEASURED_NODE_ARGS, settledBytes } from '../measure/process-memory.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import { FLOOR, countAnswers } from './floor-gateway.js';

export interface FloorOptions {
  readonly natsUrl: string;
  readonly natsPid: number | undefined;
  readonly folder: string;
  readonly agents: number;
  readonly connectsPerSecond: number;
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly question: Uint8Array;
  readonly answer: Uint8Array;
  readonly repetitions: number;
  readonly warmUp: number;
}

export interface FloorFigures {
  /** Milliseconds from the question to the last answer, one for each repetition. */
  readonly completeMs: readonly number[];
  readonly bytesPerConnection: number;
  /** Processor time per question, by program. */
  readonly cpuMs: CpuUse;
}

const MAIN = fileURLToPath(new URL('main.js', import.meta.url));
const READY_TIMEOUT_MS = 10_000;
const ANSWERS_TIMEOUT_MS = 30_000;
const PAUSE_MS = 150;

/** Starts the floor and a bare fleet, asks, counts, and stops both. */
export async function runFloor(options: FloorOptions): Promise<FloorFigures> {
  const { natsUrl, agents, connectsPerSecond, tls, answer } = options;
  const gateway = await startGateway(options);
  const broker = await connectNats({ servers: [natsUrl], name: 'floor asker', logger: silentLogger });
  let fleet: FleetProcess | undefined;
  try {
    const emptyBytes = await settledBytes(gateway.pid);
    fleet = await FleetProcess.start({
      t: 'bare',
      gateway: `${tls === undefined ? 'ws' : 'wss'}://127.0.0.1:${gateway.port}`,
      ...(tls !== undefined && { ca: tls.ca }),
      agents,
      connectsPerSecond,
      answerHex: Buffer.from(answer).toString('hex'),
    });
    const fullBytes = await settledBytes(gateway.pid);
    const cpu = new CpuMeter({
      fleet: [fleet.pid],
      gateway: [gateway.pid],
      nats: [options.natsPid],
      viewer: [process.pid],
    });
    const completeMs = await ask(broker, options, cpu);
    return { completeMs, cpuMs: cpu.perRound(), bytesPerConnection: (fullBytes - emptyBytes) / agents };
  } finally {
    await fleet?.stop();
    await broker.stop({ drain: false });
    await gateway.stop();
  }
}

async function ask({ bus }: Broker, options: FloorOptions, cpu: CpuMeter): Promise<number[]> {
  const { agents, question, repetitions, warmUp } = options;
  let answers = 0;
  let done: () => void = () => undefined;
  const subscription = bus.subscribe(FLOOR.answers, ({ data }) => {
    answers += countAnswers(data);
    if (answers >= agents) done();
  });
  await bus.flush();
  const times: number[] = [];
  for (let i = 0; i < warmUp + repetitions; i += 1) {
    answers = 0;
    if (i >= warmUp) cpu.begin();
    const begin = performance.now();
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the floor lost answers: ${answers} of ${agents}`)),
        ANSWERS_TIMEOUT_MS,
      );
      done = () => {
        clearTimeout(timer);
        resolve();
      };
      bus.publish(FLOOR.ask, question);
    });
    if (i >= warmUp) times.push(performance.now() - begin);
    await delay(PAUSE_MS);
    if (i >= warmUp) cpu.end();
  }
  subscription.unsubscribe();
  return times;
}

interface FloorProcess {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

async function startGateway({ natsUrl, folder, tls }: FloorOptions): Promise<FloorProcess> {
  const readyFile = join(folder, 'floor.json');
  await rm(readyFile, { force: true });
  const child = spawn(process.execPath, [...MEASURED_NODE_ARGS, MAIN], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      FLOOR_NATS_URL: natsUrl,
      MUSTER_READY_FILE: readyFile,
      ...(tls !== undefined && { FLOOR_CERT_FILE: tls.cert, FLOOR_KEY_FILE: tls.key }),
    },
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
  };
  for (const giveUpAt = performance.now() + READY_TIMEOUT_MS; ;) {
    const text = await readFile(readyFile, 'utf8').catch(() => undefined);
    if (text !== undefined) {
      const { pid, ports } = JSON.parse(text) as { pid: number; ports: { gateway: number } };
      return { pid, port: ports.gateway, stop };
    }
    if (child.exitCode !== null || performance.now() > giveUpAt) {
      await stop();
      throw new Error('the floor did not start');
    }
    await delay(20);
  }
}
