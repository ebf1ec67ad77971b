import { fileURLToPath } from 'node:url';
import { eventually } from '@muster/runtime/testing';
import { MUSTER_MAIN } from '../kit/cli.js';
import { runCommand, type Ran } from '../kit/manifests/run-command.js';
import type { Docker } from './docker.js';

const FILE = fileURLToPath(new URL('../../../deploy/compose/compose.yaml', import.meta.url));
/** For machines that are far slower than usual. */
const WITHIN_MS = 240_000;
export const NATS = ['nats-1', 'nats-2', 'nats-3'];
const NODE = '/nodejs/bin/node';

export interface SignedIn {
  readonly token: string;
  /** A file. */
  readonly ca: string;
}

/** deploy/compose on one engine, under the names that its file has, and what callers ask of it. */
export class Composition {
  readonly #docker: Docker;
  readonly #env: Readonly<Record<string, string>>;
  #signedIn: SignedIn | undefined;

  /** `env`: the variables of deploy/compose/README.md. */
  constructor(docker: Docker, env: Readonly<Record<string, string>>) {
    this.#docker = docker;
    this.#env = env;
  }

  signIn(signedIn: SignedIn): void {
    this.#signedIn = signedIn;
  }

  compose(...args: readonly string[]): Promise<string> {
    return this.#docker.compose(['-f', FILE, ...args], this.#env);
  }

  inspect(service: string, format: string): Promise<string> {
    return this.#docker.run('inspect', '--format', format, containerOf(service)).then((text) => text.trim());
  }

  /** Resolves when a service says that it is ready. */
  ready(service: string): Promise<string> {
    const script =
      'fetch("http://127.0.0.1:9090/readyz").then((r) => r.text()).then((text) => console.log(text), (error) => console.log(String(error.cause)))';
    return this.#eventually(`${service} is ready`, async () => {
      const said = await this.#docker.run('exec', containerOf(service), NODE, '-e', script);
      if (!said.includes('"ready":true')) throw new Error(said);
      return said;
    });
  }

  /** The id of the agent in the container, once it is live. */
  async live(): Promise<string> {
    const host = await this.inspect('agent', '{{.Config.Hostname}}');
    return this.#eventually('the agent is live', async () => {
      const { stdout, stderr } = await this.muster('agents', '-o', 'json');
      const row = rowsOf(stdout).find((one) => one['host'] === host || one['hostname'] === host);
      if (row?.['mode'] !== 'live') throw new Error(stdout + stderr);
      return String(row['agentId']);
    });
  }

  /** A question to everybody. Asked again while an endpoint is on its way to another gateway. */
  ask(): Promise<string> {
    return this.#eventually('a question is answered', async () => {
      const { code, stdout, stderr } = await this.muster(
        'query',
        'SELECT 6 * 7 AS answer',
        '-o',
        'json',
        '--target',
        '',
      );
      if (code !== 0 || !stdout.includes('42')) throw new Error(`${code}: ${stdout}${stderr}`);
      return stdout;
    });
  }

  /** Resolves when so many endpoints answer one question. */
  answersOf(endpoints: number): Promise<string> {
    return this.#eventually(`${endpoints} endpoints answer`, async () => {
      const { code, stdout, stderr } = await this.muster('query', 'SELECT 1 AS one', '-o', 'json', '--target', '');
      const answered = stdout.match(/"one"\s*:/g)?.length;
      if (code !== 0 || answered !== endpoints) throw new Error(`${code}, ${answered} rows: ${stderr}`);
      return `${answered} answered`;
    });
  }

  /** An order that does something: a process in the agent's container ends. @returns its number. */
  async kill(agent: string): Promise<string> {
    const script = 'process.title = "victim"; setInterval(() => {}, 1000)';
    await this.#docker.run('exec', '-d', containerOf('agent'), NODE, '-e', script);
    const sql = "SELECT pid FROM processes WHERE name = 'victim' OR cmdline LIKE '%victim%'";
    const pid = await this.#eventually('the process is seen', async () => {
      const { stdout, stderr } = await this.muster('query', sql, '-o', 'json', '--agents', agent);
      const found = /"pid":\s*"?(\d+)/.exec(stdout)?.[1];
      if (found === undefined) throw new Error(stdout + stderr);
      return found;
    });
    const { code, stdout, stderr } = await this.muster(
      ...['run', 'process.kill', `pid=${pid}`, '--agents', agent, '--yes', '--wait'],
    );
    if (code !== 0) throw new Error(`the command: ${code}: ${stdout}${stderr}`);
    return pid;
  }

  /** The process of a container dies as by a bug. Resolves when the engine has started another one. */
  async crash(service: string): Promise<void> {
    const [pid, restarts] = (await this.inspect(service, '{{.State.Pid}} {{.RestartCount}}')).split(' ').map(Number);
    if (!pid) throw new Error(`${service} does not run`);
    process.kill(pid, 'SIGKILL');
    await this.#eventually(`${service} runs again`, async () => {
      const now = await this.inspect(service, '{{.State.Running}} {{.RestartCount}}');
      return now === `true ${(restarts ?? 0) + 1}`;
    });
  }

  /** Starts these services, or all but those of a profile. */
  up(...args: readonly string[]): Promise<string> {
    return this.compose(...['up', '-d', '--pull', 'never'], ...args);
  }

  /** `backup` or `restore`, as docs/operations.md has them. */
  once(program: string, ...args: readonly string[]): Promise<string> {
    return this.compose('run', '--rm', '--no-TTY', program, ...args);
  }

  /** What NATS kept is lost. */
  async loseStreams(): Promise<void> {
    await this.#docker.run('volume', 'rm', ...NATS.map((name) => `muster_${name}`));
  }

  /** Every container has a read-only root, no capability and no way to more; programs of Muster are not root. */
  async limited(): Promise<string> {
    const format =
      '{{.Name}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Privileged}}';
    const ids = (await this.#docker.run('ps', '-aq')).trim().split('\n');
    const found = (await this.#docker.run('inspect', '--format', format, ...ids)).trim().split('\n');
    const wrong = found.filter((line) => !line.endsWith(' true [ALL] [no-new-privileges:true] false'));
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
    return `${found.length} containers`;
  }

  async #prometheus(path: string): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.#env['MUSTER_PROMETHEUS_PORT']}/api/v1/${path}`);
    return ((await response.json()) as { data: unknown }).data;
  }

  /** Resolves when Prometheus reaches so many targets, and they count one session. */
  async scraped(targets: number): Promise<void> {
    const value = async (expr: string): Promise<number> => {
      const data = (await this.#prometheus(`query?query=${encodeURIComponent(expr)}`)) as {
        result: { value: [number, string] }[];
      };
      return Number(data.result[0]?.value[1]);
    };
    await this.#eventually('all are scraped, and one session is counted', async () => {
      const [up, sessions] = [await value('sum(up)'), await value('sum(muster_gateway_live_sessions)')];
      if (up !== targets || sessions !== 1) throw new Error(`${up} up, ${sessions} sessions`);
      return true;
    });
  }

  async rules(): Promise<string> {
    const { groups } = (await this.#prometheus('rules')) as { groups: { rules: { health: string }[] }[] };
    const rules = groups.flatMap((group) => group.rules);
    if (rules.length === 0 || rules.some(({ health }) => health === 'err')) throw new Error(JSON.stringify(groups));
    return `${rules.length} rules`;
  }

  /** @throws unless the engine has no container and no network of this, and volumes only where they are to stay. */
  async leftOver({ volumes }: { readonly volumes: boolean }): Promise<void> {
    const containers = await this.#docker.run('ps', '-aq');
    const networks = await this.#docker.run('network', 'ls', '--filter', 'type=custom', '-q');
    const kept = await this.#docker.run('volume', 'ls', '-q');
    if (containers !== '' || networks !== '' || (kept !== '') !== volumes)
      throw new Error(`left over: containers ${containers} networks ${networks} volumes ${kept}`);
  }

  /** What a person would look at after a failure. */
  async state(): Promise<string> {
    const listed = await this.#docker.try('ps', '-a', '--format', '{{.Names}} {{.Status}}');
    const names = listed.stdout.trim().split('\n').filter(Boolean);
    const logs = names.map(async (line) => {
      const { stdout, stderr } = await this.#docker.try('logs', '--tail', '8', line.split(' ')[0] ?? '');
      return `--- ${line}\n${stdout}${stderr}`;
    });
    const holds = '{{range .Containers}}{{.Name}} {{.EndpointID}} {{end}}';
    const network = await this.#docker.try('network', 'inspect', '--format', holds, 'muster_default');
    return [...(await Promise.all(logs)), `--- network: ${network.stdout}${network.stderr}`].join('\n');
  }

  /** The CLI on this machine, through HAProxy, as the README has it. */
  muster(...args: readonly string[]): Promise<Ran> {
    return runCommand(process.execPath, [MUSTER_MAIN, ...args], {
      env: {
        PATH: process.env['PATH'],
        MUSTER_API_URL: `https://localhost:${this.#env['MUSTER_API_PORT']}`,
        MUSTER_CA: this.#signedIn?.ca,
        MUSTER_TOKEN: this.#signedIn?.token,
      },
    });
  }

  #eventually<T>(what: string, holds: () => Promise<T>) {
    return eventually(holds, what, WITHIN_MS);
  }
}

const containerOf = (service: string): string => `muster-${service}-1`;

function rowsOf(json: string): Record<string, unknown>[] {
  const parsed = JSON.parse(json) as { items?: unknown } | unknown[];
  return (Array.isArray(parsed) ? parsed : (parsed.items ?? [])) as Record<string, unknown>[];
}
