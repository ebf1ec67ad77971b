import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureInstallation, secretManifests } from '@muster/local/secrets';
import { eventually as becomesTrue } from '@muster/runtime/testing';
import { parseManifests, render } from '../kit/manifests/render.js';
import { Cluster } from './cluster.js';
import type { Ran } from '../kit/manifests/run-command.js';
import { Engine } from './engine.js';
import { Steps } from '../kit/steps.js';
import { BASE_IMAGE, BROKER_IMAGES, standInForBase, standInForBroker } from './stand-ins.js';

/**
 * `npm run test:containers`: images are built, and the whole system runs in containers from the manifests of
 * k8s/overlays/ci. Ends with 0 when all steps passed, with 1 after a failure, and with 2 where this machine cannot run
 * containers: then nothing was tested.
 */
const SERVICES = ['gateway', 'query', 'command', 'telemetry', 'posture', 'api'];
const LIMITED = [
  '--read-only',
  '--cap-drop',
  'ALL',
  '--security-opt',
  'no-new-privileges',
  '--tmpfs',
  '/tmp:mode=1777',
];

/** `--no-build`: the images are those of the run before. */
const { values: options } = parseArgs({ options: { 'no-build': { type: 'boolean', default: false } } });
const missing = Engine.missing();
if (missing !== undefined) {
  console.error(`containers were NOT tested: ${missing}`);
  process.exit(2);
}

const engine = new Engine(resolve(process.env['MUSTER_CONTAINERS_DIR'] ?? '.muster/containers'));
const network = `muster-ci-${process.pid}`;
const started: string[] = [];
const steps = new Steps((text) => console.log(text));
const step = steps.step.bind(steps);

/** Bounds are for machines that are far slower than usual. */
const eventually = (what: string, holds: () => Promise<string | undefined>): Promise<string> =>
  becomesTrue(holds, what, 180_000);

const folder = join(engine.folder, `run-${process.pid}`);
mkdirSync(folder, { recursive: true, mode: 0o700 });
const installation = await ensureInstallation({
  folder: join(folder, 'secrets'),
  org: 'default',
  names: ['localhost', 'muster-gateway', 'muster-gateway-1', 'muster-api'],
});
const caPath = join(folder, 'ca.crt');
const secretPath = join(folder, 'enroll-secret');
writeFileSync(caPath, `${installation['muster-gateway-ca']?.['ca.crt']}\n`);
// The user of the container is not root.
writeFileSync(secretPath, `${installation['muster-agent-enrolment']?.['enroll-secret']}\n`, { mode: 0o644 });

// For the user of the containers alone: the agent refuses a folder that others may write to.
const [dataDir, storeDir] = [join(folder, 'agent-data'), join(folder, 'prometheus')];
for (const path of [dataDir, storeDir]) {
  mkdirSync(path, { mode: 0o700 });
  chownSync(path, 65_532, 65_532);
}

const manifests = await render('overlays/ci');
const secrets = parseManifests(secretManifests(installation, 'muster'));
const cluster = new Cluster(engine, [...manifests, ...secrets], network);

/** The CLI's image, within the network. */
function muster(...args: readonly string[]): Promise<Ran> {
  const env = [
    ...['-e', 'MUSTER_API_URL=https://muster-api:8080', '-e', 'MUSTER_CA=/ca.crt'],
    ...['-e', `MUSTER_TOKEN=${installation['muster-operator']?.['bootstrap-token']}`],
  ];
  return engine.try(
    'run',
    '--rm',
    '--network',
    network,
    ...LIMITED,
    ...env,
    '-v',
    `${caPath}:/ca.crt:ro`,
    'localhost/muster/cli:ci',
    ...args,
  );
}

/** A GET within the network. */
async function get(url: string): Promise<string> {
  const script =
    'fetch(process.argv[1]).then(async (r) => { console.log(await r.text()); process.exitCode = r.ok ? 0 : 1; })';
  return engine.podman('run', '--rm', '--network', network, ...LIMITED, BASE_IMAGE, '-e', script, url);
}

async function startPod(workload: string, name = workload): Promise<void> {
  started.push(name);
  await cluster.start(workload, name);
}

async function agentRow(): Promise<{ mode: string; id: string } | undefined> {
  const { code, stdout } = await muster('agents', '-o', 'json');
  if (code !== 0) return undefined;
  const found = /"agentId":\s*"([^"]+)"/.exec(stdout)?.[1];
  const mode = /"mode":\s*"(live|poll)"/.exec(stdout)?.[1];
  return found === undefined || mode === undefined ? undefined : { id: found, mode };
}

const live = (): Promise<string> =>
  eventually('the agent is live', async () => ((await agentRow())?.mode === 'live' ? 'live' : undefined));

/** Containers that no manifest has are no pods. */
const PLAIN = ['muster-agent', 'muster-prometheus'];

const logOf = (name: string): Promise<string> =>
  engine
    .try('logs', PLAIN.includes(name) ? name : cluster.container(name))
    .then(({ stdout, stderr }) => stdout + stderr);

try {
  await step('images that cannot be pulled have stand-ins', async () => {
    await standInForBase(engine);
    for (const image of BROKER_IMAGES) await standInForBroker(engine, image);
  });

  await step('npm run images builds every program', async () => {
    if (!options['no-build']) {
      const built = await engine.images('--tag', 'ci', '--registry', 'localhost/muster');
      if (built.code !== 0) throw new Error(built.stdout + built.stderr);
    }
    const base = Number(await engine.podman('image', 'inspect', '--format', '{{.Size}}', BASE_IMAGE));
    const sizes: string[] = [];
    for (const name of [...SERVICES, 'setup', 'agent', 'cli', 'simulator']) {
      const image = `localhost/muster/${name}:ci`;
      const size = Number(await engine.podman('image', 'inspect', '--format', '{{.Size}}', image)) - base;
      if (size > 120e6) throw new Error(`${name} has ${size} bytes above the base`);
      sizes.push(`${name} ${(size / 1e6).toFixed(1)} MB`);
    }
    return sizes.join(', ');
  });

  await step('brokers and services start from the manifests and are ready', async () => {
    await engine.podman('network', 'create', network);
    for (const broker of ['muster-nats', 'muster-redis']) await startPod(broker);
    await startPod('muster-setup');
    for (const service of SERVICES) await startPod(`muster-${service}`);
    await startPod('muster-gateway', 'muster-gateway-1');
    for (const pod of started.filter((name) => !/nats|redis|setup/.test(name))) {
      await eventually(`${pod} is ready`, async () =>
        (await get(`http://${pod}:9090/readyz`)).includes('"ready":true') ? 'ready' : undefined,
      );
    }
    const ended = ['inspect', '--format', '{{.State.ExitCode}}', cluster.container('muster-setup')];
    if ((await engine.podman(...ended)).trim() !== '0') throw new Error(await logOf('muster-setup'));
    const log = await logOf('muster-gateway');
    if (/portable one|does not load|cannot bound/.test(log))
      throw new Error(`the gateway has not its native transport: ${log}`);
    return `${started.length} pods`;
  });

  await step('an agent enrols and is live', async () => {
    started.push('muster-agent');
    await engine.podman(
      ...['run', '-d', '--name', 'muster-agent', '--network', network, ...LIMITED],
      ...['-v', `${dataDir}:/var/lib/muster-agent`],
      ...['-v', `${caPath}:/ca.crt:ro`, '-v', `${secretPath}:/enroll-secret:ro`],
      ...[
        '-e',
        'MUSTER_GATEWAY_URL=https://muster-gateway:8443,https://muster-gateway-1:8443',
        '-e',
        'MUSTER_GATEWAY_CA=/ca.crt',
      ],
      ...['-e', 'MUSTER_ENROLL_SECRET_FILE=/enroll-secret', '-e', 'MUSTER_ORG=default'],
      'localhost/muster/agent:ci',
    );
    return live();
  });

  await step('a query is answered', async () => {
    const { code, stdout, stderr } = await muster('query', 'SELECT 6 * 7 AS answer', '-o', 'json', '--target', '');
    if (code !== 0 || !stdout.includes('42')) throw new Error(`${code}: ${stdout}${stderr}`);
  });

  await step('a command runs', async () => {
    const victim = await engine.podman(
      'exec',
      '-d',
      'muster-agent',
      '/nodejs/bin/node',
      '-e',
      'process.title = "victim"; setInterval(() => {}, 1000)',
    );
    void victim;
    const rows = await eventually('the process is seen', async () => {
      const { stdout } = await muster(
        'query',
        "SELECT pid FROM processes WHERE cmdline LIKE '%victim%' OR name = 'victim'",
        '-o',
        'json',
        '--target',
        '',
      );
      return /"pid":\s*"?(\d+)/.exec(stdout)?.[1];
    });
    const { code, stdout, stderr } = await muster(
      'run',
      'process.kill',
      `pid=${rows}`,
      '--target',
      '',
      '--yes',
      '--wait',
    );
    if (code !== 0) throw new Error(`${code}: ${stdout}${stderr}`);
    return `process ${rows} was killed`;
  });

  await step('Prometheus scrapes every service', async () => {
    const targets = started.filter((pod) => !/nats|redis|setup|agent/.test(pod));
    const jobs = targets.map((pod) => `  - job_name: ${pod}\n    static_configs: [{ targets: ['${pod}:9090'] }]`);
    const config = join(folder, 'prometheus.yml');
    writeFileSync(config, `global:\n  scrape_interval: 1s\nscrape_configs:\n${jobs.join('\n')}\n`);
    started.push('muster-prometheus');
    await engine.podman(
      ...['run', '-d', '--name', 'muster-prometheus', '--network', network, ...LIMITED],
      ...['-v', `${storeDir}:/prometheus`, '-v', `${config}:/etc/prometheus/prometheus.yml:ro`],
      ...[
        'docker.io/prom/prometheus:v3.7.3',
        '--config.file=/etc/prometheus/prometheus.yml',
        '--storage.tsdb.path=/prometheus',
      ],
    );
    const ask = (expr: string): Promise<string> =>
      get(`http://muster-prometheus:9090/api/v1/query?query=${encodeURIComponent(expr)}`);
    const value = async (expr: string): Promise<number> =>
      Number(/"value":\[[\d.]+,"([\d.]+)"\]/.exec(await ask(expr))?.[1]);
    return eventually('all are up, and one session is counted', async () => {
      const [up, sessions] = [await value('sum(up)'), await value('sum(muster_gateway_live_sessions)')];
      return up === targets.length && sessions === 1 ? `${up} up, ${sessions} session` : undefined;
    });
  });

  await step('SIGTERM to the gateway that holds the agent drains it', async () => {
    const held = await eventually('a gateway holds the agent', async () => {
      for (const pod of ['muster-gateway', 'muster-gateway-1']) {
        if (/^muster_gateway_live_sessions 1$/m.test(await get(`http://${pod}:9090/metrics`))) return pod;
      }
      return undefined;
    });
    await engine.podman('kill', '--signal', 'TERM', cluster.container(held));
    const query = muster('query', 'SELECT 1 AS one', '-o', 'json', '--target', '');
    await eventually('it ends', async () => {
      const state = await engine.podman('inspect', '--format', '{{.State.Status}}', cluster.container(held));
      return state.trim() === 'exited' ? state : undefined;
    });
    const code = (await engine.podman('inspect', '--format', '{{.State.ExitCode}}', cluster.container(held))).trim();
    const log = await logOf(held);
    const drained =
      /"left":(\d+),"tookMs":(\d+)[^\n]*drained sessions/.exec(log) ??
      /drained sessions[^\n]*"left":(\d+)[^\n]*"tookMs":(\d+)/.exec(log);
    if (code !== '0' || drained?.[1] !== '0')
      throw new Error(`exit ${code}, ${drained?.[0] ?? 'no drain'}: ${log.slice(-1_500)}`);
    const asked = await query;
    if (asked.code !== 0) throw new Error(`the query that was asked meanwhile: ${asked.stdout}${asked.stderr}`);
    await live();
    const again = await muster('query', 'SELECT 2 AS two', '-o', 'json', '--target', '');
    if (again.code !== 0) throw new Error(`after the drain: ${again.stderr}`);
    return `${held} ended with 0, its session had moved after ${drained[2]} ms`;
  });

  await step('every program ends at SIGTERM with 0', async () => {
    for (const pod of started.filter((name) => /query|command|telemetry|api/.test(name))) {
      await engine.podman('kill', '--signal', 'TERM', cluster.container(pod));
      await eventually(`${pod} ends`, async () => {
        const state = await engine.podman(
          'inspect',
          '--format',
          '{{.State.Status}} {{.State.ExitCode}}',
          cluster.container(pod),
        );
        return state.trim() === 'exited 0' ? state : undefined;
      });
    }
  });
  console.log(`${steps.passed} passed, 0 failed`);
} catch (error) {
  process.exitCode = 1;
  console.error(error);
  for (const pod of started) console.error(`--- ${pod}\n${(await logOf(pod)).slice(-1_500)}`);
  console.log(`${steps.passed} passed, 1 failed`);
} finally {
  if (process.env['MUSTER_CONTAINERS_KEEP'] === undefined) {
    for (const name of started.reverse()) {
      await engine.try('pod', 'rm', '-f', '-t', '5', name);
      await engine.try('rm', '-f', '-t', '5', name);
      await engine.try('volume', 'rm', '-f', `${name}-tmp`, `${name}-data`);
    }
    await engine.try('network', 'rm', '-f', network);
    rmSync(folder, { recursive: true, force: true });
  }
}
