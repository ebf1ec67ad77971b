import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  createRemoteWriteMetrics,
  RemoteWriter,
  remoteWriteFields,
  remoteWriteOptions,
  type MetricDefinition,
  type RemoteWriteOptions,
} from '@muster/remote-write';
import { createMetrics, defineConfig, loadConfig, silentLogger, systemClock } from '@muster/runtime';

/**
 * `bench:remote-write`: how many samples one process writes for each second of processor time, and what they cost in
 * memory. The store is another process that takes everything at once. Series look like those of real hosts: four labels
 * of the endpoint, names of `system.*`.
 */
const { values: flags } = parseArgs({
  options: {
    endpoints: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '10' },
    store: { type: 'boolean', default: false },
  },
});

interface Figures {
  readonly samples: number;
  readonly cpuSeconds: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly longestAppendMs: number;
  readonly memoryBytes: number;
  readonly series: number;
}

const PER_ENDPOINT = 40;
const definitions: MetricDefinition[] = Array.from({ length: PER_ENDPOINT }, (_, index) => ({
  ...{ name: `system_metric_number_${index}_bytes_total`, type: 'counter', labels: ['device', 'direction'] },
}));

async function runStore(): Promise<void> {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(204).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  console.log((server.address() as AddressInfo).port);
  // Ends with the bench.
  process.stdin.resume().on('end', () => process.exit(0));
}

function memory(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** As an installation has it, but for the bounds. */
function optionsFor(url: URL): RemoteWriteOptions {
  const env = {
    MUSTER_TELEMETRY_REMOTE_WRITE_URL: url.href,
    MUSTER_TELEMETRY_REMOTE_WRITE_BATCH_AGE: '50ms',
    MUSTER_TELEMETRY_REMOTE_WRITE_PENDING_SAMPLES: '2000000',
    MUSTER_TELEMETRY_REMOTE_WRITE_SERIES: '5000000',
  };
  const result = loadConfig(defineConfig({ prefix: 'MUSTER_', fields: remoteWriteFields }), env);
  const options = result.ok ? remoteWriteOptions(result.config) : undefined;
  if (options === undefined) throw new Error('the settings of the bench are wrong');
  return options;
}

async function measure(url: URL, endpoints: number, rounds: number): Promise<Figures> {
  const metrics = createMetrics('telemetry');
  const options = optionsFor(url);
  const context = { definitions, clock: systemClock, logger: silentLogger, metrics: createRemoteWriteMetrics(metrics) };
  const before = memory();
  const writer = new RemoteWriter(options, context);
  writer.start();
  const fleet = Array.from({ length: endpoints }, (_, index) => ({
    endpoint: `acme/agent-${index}`,
    labels: { org: 'acme', agent: `xor2fuv3slfvpxlvxk${index}`, host: `pc-fra-${index}`, os: 'linux' },
  }));
  const settled = async (): Promise<void> => {
    while (writer.state().pendingSamples > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const startMs = performance.now();
  const cpu = process.cpuUsage();
  let longestAppendMs = 0;
  for (let round = 0; round < rounds; round += 1) {
    const timestampMs = Date.now();
    for (let first = 0; first < endpoints; first += 250) {
      const batch = fleet.slice(first, first + 250).map((one) => ({
        ...one,
        timestampMs,
        samples: definitions.map(({ name }, index) => ({
          ...{ name, labels: { device: `eth${index % 4}`, direction: 'receive' }, value: round * 1_234_567 + index },
        })),
      }));
      const before = process.cpuUsage();
      writer.append(batch);
      const { user, system } = process.cpuUsage(before);
      longestAppendMs = Math.max(longestAppendMs, (user + system) / 1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await settled();
  }
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - startMs) / 1_000;
  fleet.length = 0;
  const memoryBytes = memory() - before;
  const text = await metrics.registry.metrics();
  const total = (name: string): number =>
    Number(new RegExp(`^muster_telemetry_remote_write_${name} (\\S+)$`, 'm').exec(text)?.[1]);
  const { series } = writer.state();
  await writer.stop(AbortSignal.timeout(60_000));
  const [samples, bytes] = [total('samples_sent_total'), total('sent_bytes_total')];
  return { samples, bytes, seconds, series, memoryBytes, longestAppendMs, cpuSeconds: (user + system) / 1e6 };
}

async function main(): Promise<void> {
  const store = spawn(process.execPath, [fileURLToPath(import.meta.url), '--store'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = (await once(store.stdout, 'data')) as [Buffer];
  const url = new URL(`http://127.0.0.1:${Number(line.toString())}/`);
  const figures = await measure(url, Number(flags.endpoints), Number(flags.rounds));
  store.stdin.end();
  const { samples, cpuSeconds, seconds, bytes, series, memoryBytes, longestAppendMs } = figures;
  console.log(
    [
      `samples written                    ${samples} of ${series} series in ${seconds.toFixed(1)} s`,
      `samples per second of processor    ${Math.round(samples / cpuSeconds)}`,
      `bytes per sample on the wire       ${(bytes / samples).toFixed(1)}`,
      `memory per series                  ${Math.round(memoryBytes / series)} bytes${globalThis.gc ? '' : ' (garbage included; run node with --expose-gc)'}`,
      `longest append of 10,000 samples   ${longestAppendMs.toFixed(1)} ms of processor`,
    ].join('\n'),
  );
}

await (flags.store ? runStore() : main());
