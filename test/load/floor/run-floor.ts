import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Broker, connectNats } from '@muster/bus';
import { silentLogger } from '@muster/runtime';
import { TestProcess } from '@muster/testkit';
import { CpuMeter, type CpuUse } from '../measure/process-cpu.js';
import { MEASURED_NODE_ARGS, settledBytes } from '../measure/process-memory.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import { FLOOR, countAnswers } from './floor-gateway.js';

export interface FloorOptions {
  readonly natsUrl: string;
  readonly natsPid: number | undefined;
  readonly agents: number;
  readonly connectsPerSecond: number;
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly query: Uint8Array;
  readonly answer: Uint8Array;
  readonly repetitions: number;
  readonly warmUp: number;
}

export interface FloorFigures {
  /** Milliseconds from the query to the last answer, one for each repetition. */
  readonly completeMs: readonly number[];
  readonly bytesPerConnection: number;
  /** Processor time per query, by program. */
  readonly cpuMs: CpuUse;
}

const MAIN = fileURLToPath(new URL('main.js', import.meta.url));
const ANSWERS_TIMEOUT_MS = 30_000;
const PAUSE_MS = 150;

export async function runFloor(options: FloorOptions): Promise<FloorFigures> {
  const { natsUrl, agents, connectsPerSecond, tls, answer } = options;
  const gateway = await startGateway(options);
  const broker = await connectNats({ servers: [natsUrl], name: 'floor asker', logger: silentLogger });
  let fleet: FleetProcess | undefined;
  try {
    const emptyBytes = await settledBytes(gateway.pid);
    fleet = await FleetProcess.start({
      t: 'bare',
      gateway: `${tls === undefined ? 'ws' : 'wss'}://127.0.0.1:${gateway.port('gateway')}`,
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
  const { agents, query, repetitions, warmUp } = options;
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
      bus.publish(FLOOR.ask, query);
    });
    if (i >= warmUp) times.push(performance.now() - begin);
    await delay(PAUSE_MS);
    if (i >= warmUp) cpu.end();
  }
  subscription.unsubscribe();
  return times;
}

function startGateway({ natsUrl, tls }: FloorOptions): Promise<TestProcess> {
  return TestProcess.start({
    main: MAIN,
    nodeArgs: MEASURED_NODE_ARGS,
    env: { FLOOR_NATS_URL: natsUrl, ...(tls !== undefined && { FLOOR_CERT_FILE: tls.cert, FLOOR_KEY_FILE: tls.key }) },
  });
}
