import { chownSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort } from '@muster/local/brokers';
import { BASE_IMAGE, BROKER_IMAGES, standInForBase, standInForBroker } from '../containers/stand-ins.js';
import { must } from '../kit/manifests/run-command.js';
import { Steps } from '../kit/steps.js';
import { Composition, NATS } from './composition.js';
import { Docker } from './docker.js';

/**
 * `npm run test:compose`: deploy/compose as its README says, with an engine of its own. Ends with 0 when all steps
 * passed, with 1 after a failure, and with 2 where this machine cannot run containers: then nothing was tested.
 * `--no-build`: the images are those of the run before.
 *
 * Of Grafana no image can be had where tests run, so its profile is left out.
 */
const { values: options } = parseArgs({ options: { 'no-build': { type: 'boolean', default: false } } });
const missing = Docker.missing();
if (missing !== undefined) {
  console.error(`deploy/compose was NOT tested: ${missing}`);
  process.exit(2);
}

const SERVICES = ['gateway', 'query', 'command', 'telemetry', 'posture', 'api'];
const PROGRAMS = SERVICES.flatMap((name) => [`${name}-1`, `${name}-2`]);
/** One of those that there are three or two of. It stays away until it is started again. */
const KILLED = [...SERVICES.map((name) => `${name}-1`), 'nats-1'];
/** There is one of each: the engine starts them anew. */
const CRASHED = ['redis', 'haproxy', 'agent'];

const steps = new Steps((text) => console.log(text));
const docker = await Docker.start(resolve(process.env['MUSTER_COMPOSE_DIR'] ?? '.muster/compose'));
const folder = join(docker.folder, `run-${process.pid}`);
mkdirSync(folder, { recursive: true, mode: 0o700 });
const installation = join(folder, 'installation');
const backup = join(folder, 'backup');
const composition = new Composition(docker, {
  MUSTER_SECRETS: join(installation, 'secrets'),
  MUSTER_BACKUP: backup,
  MUSTER_GATEWAY_PORT: String(await freePort()),
  MUSTER_API_PORT: String(await freePort()),
  MUSTER_PROMETHEUS_PORT: String(await freePort()),
  MUSTER_FLEET: '20',
});

let first = '';
/** @throws when the agent has become another one. */
function isStill(worked: string): string {
  const [was, is] = [first, worked].map((text) => text.split(' ')[0]);
  if (was !== is) throw new Error(`${was} has become ${is}`);
  return worked;
}

/** All that callers do: an endpoint is live, answers, and runs an order. */
async function works(): Promise<string> {
  const agent = await composition.live();
  await composition.ask();
  const pid = await composition.kill(agent);
  return `${agent} answered, and killed process ${pid}`;
}

/** Ends all of it, whatever runs. */
const clear = (): Promise<string> => composition.compose('--profile', '*', 'down', '--volumes', '--timeout', '5');

try {
  // Of a run that was ended.
  await clear();
  await composition.leftOver({ volumes: false });
  await steps.step('images that cannot be pulled have stand-ins', async () => {
    await standInForBase(docker);
    for (const image of BROKER_IMAGES) await standInForBroker(docker, image);
    return [BASE_IMAGE, ...BROKER_IMAGES.map(({ image }) => image)].join(', ');
  });

  await steps.step('npm run images builds every program', async () => {
    if (!options['no-build']) await docker.images();
  });

  await steps.step('npm run secrets makes what the file mounts', () =>
    must(process.execPath, ['deploy/local/bin/secrets.mjs', '--compose', '--folder', installation]),
  );

  await steps.step('docker compose up: all run, and all are ready', async () => {
    composition.signIn({
      token: readFileSync(join(installation, 'operator-token'), 'utf8').trim(),
      ca: join(installation, 'tls/ca.pem'),
    });
    await composition.up();
    for (const name of PROGRAMS) await composition.ready(name);
    const setup = await composition.inspect('setup', '{{.State.ExitCode}} {{.RestartCount}}');
    return `setup ended with ${setup.split(' ')[0]} after ${setup.split(' ')[1]} restarts`;
  });

  await steps.step('nothing has more rights than it needs', () => composition.limited());

  await steps.step('an agent enrols, a question is answered, a command runs', async () => (first = await works()));

  await steps.step('Prometheus scrapes every service, and has its rules', async () => {
    await composition.scraped(PROGRAMS.length);
    return composition.rules();
  });

  for (const name of KILLED) {
    await steps.step(`${name} is killed, and comes back`, async () => {
      await composition.compose('kill', name);
      const worked = await works();
      await composition.compose('start', name);
      if (PROGRAMS.includes(name)) await composition.ready(name);
      return worked;
    });
  }

  for (const name of CRASHED) {
    await steps.step(`${name} dies, and the engine starts it anew`, async () => {
      await composition.crash(name);
      return works();
    });
  }

  await steps.step('simulated endpoints, by profile', async () => {
    await composition.compose('--profile', 'fleet', 'up', '-d', '--pull', 'never', 'fleet');
    // And the container itself.
    return composition.answersOf(21);
  });

  await steps.step('down leaves volumes alone, and after up everybody is who they were', async () => {
    await composition.compose('--profile', 'fleet', 'down');
    await composition.leftOver({ volumes: true });
    await composition.up();
    return isStill(await works());
  });

  await steps.step('a backup, and what it brings back when NATS has lost everything', async () => {
    mkdirSync(backup);
    chownSync(backup, 65_532, 65_532);
    await composition.once('backup', '--to', '/backup/first');
    await composition.compose('down');
    await composition.loseStreams();
    await composition.up(...NATS);
    await composition.once('restore', '--from', '/backup/first');
    await composition.up();
    return isStill(await works());
  });

  await steps.step('down --volumes leaves nothing', async () => {
    await composition.compose('down', '--volumes');
    await composition.leftOver({ volumes: false });
  });
  console.log(`${steps.passed} passed, 0 failed; Grafana was NOT tested: no image of it is there`);
} catch (error) {
  process.exitCode = 1;
  console.error(error);
  console.error(await composition.state());
  console.log(`${steps.passed} passed, 1 failed`);
} finally {
  await clear().catch(console.error);
  await docker.stop();
  rmSync(folder, { recursive: true, force: true });
}
