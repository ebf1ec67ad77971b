import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { brokerUrl, type BrokerLogin } from './broker-login.js';
import { freePort } from './free-port.js';
import { until } from './probe.js';

export interface ProcessOptions {
  /** Its name in messages: `nats-server`. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Its output; overwritten at each start. */
  readonly logFile: string;
  readonly isReady: () => Promise<boolean>;
  /** A command that forces its end where SIGKILL to the process does not: for a container. */
  readonly killCommand?: readonly string[];
}

/** A broker did not start. The message contains the end of its log. */
export class BrokerStartError extends Error {
  override readonly name = 'BrokerStartError';
  /** Another program has the port. */
  readonly isPortTaken: boolean;

  constructor(message: string, isPortTaken: boolean) {
    super(message);
    this.isPortTaken = isPortTaken;
  }
}

const READY_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;

/**
 * A shell script that waits for the end of its standard input, which comes when this process ends in any way. It then ends the broker.
 * `$1`: the broker's process id; the other arguments: the command that forces its end.
 */
const WATCHER = `
read _; pid=$1; shift
kill -TERM "$pid" 2>/dev/null
for i in 1 2 3; do kill -0 "$pid" 2>/dev/null || exit 0; sleep 1; done
if [ $# -gt 0 ]; then "$@"; fi
kill -KILL "$pid" 2>/dev/null
`;

/**
 * A broker as a child process. It counts as started when it answers, stops within a bound, ends with this process, and can be started
 * again on the same port and data.
 */
export class BrokerProcess {
  private readonly options: ProcessOptions;
  private child: ChildProcess | undefined;
  private watcher: ChildProcess | undefined;

  constructor(options: ProcessOptions) {
    this.options = options;
  }

  /** Undefined while it does not run. For a container: the pid of the docker client. */
  get pid(): number | undefined {
    return isRunning(this.child) ? this.child?.pid : undefined;
  }

  /** Resolves when it does not run. Does not keep this process alive. */
  get exited(): Promise<void> {
    const { child } = this;
    if (child === undefined || !isRunning(child)) return Promise.resolve();
    return once(child, 'exit').then(() => undefined);
  }

  /** @throws BrokerStartError when it ends at once or does not answer in time. */
  async start(): Promise<void> {
    if (isRunning(this.child)) return;
    const { name, program, args, logFile, isReady } = this.options;
    if (await isReady()) throw new BrokerStartError(`${name} did not start: another program answers on its port`, true);
    const output = openSync(logFile, 'w');
    // In its own process group: Ctrl-C reaches only the parent, which stops the broker last.
    const child = spawn(program, args, { stdio: ['ignore', output, output], detached: true });
    closeSync(output);
    let failure: Error | undefined;
    child.on('error', (error) => {
      failure = error;
    });
    this.child = child;
    this.watch(child);
    const isUp = await until(isReady, READY_TIMEOUT_MS, () => failure !== undefined || !isRunning(child));
    if (isUp && isRunning(child)) return;
    const reason = failure?.message ?? (isRunning(child) ? 'it does not answer' : 'it ended at once');
    await this.kill9();
    const tail = (await readFile(logFile, 'utf8').catch(() => '')).trim().split('\n').slice(-5).join('\n');
    throw new BrokerStartError(
      `${name} did not start: ${reason}\n${tail}`,
      /address already in use|port is already/i.test(tail),
    );
  }

  /** SIGTERM, and SIGKILL when that takes too long. Idempotent. */
  async stop(): Promise<void> {
    const { child } = this;
    if (child === undefined || !isRunning(child)) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => void this.kill9(), STOP_TIMEOUT_MS);
    await ended(child);
    clearTimeout(timer);
    this.unwatch();
  }

  /** Ends it as a power cut would. */
  async kill9(): Promise<void> {
    const { child } = this;
    if (child === undefined || !isRunning(child)) return;
    const [program, ...args] = this.options.killCommand ?? [];
    if (program !== undefined) spawn(program, args, { stdio: 'ignore' }).on('error', () => undefined);
    else child.kill('SIGKILL');
    await ended(child);
    this.unwatch();
  }

  /** Stands still, with its connections open, until `resume`. Not for a container, whose pid is that of its client. */
  freeze(): Promise<void> {
    this.child?.kill('SIGSTOP');
    return Promise.resolve();
  }

  resume(): Promise<void> {
    this.child?.kill('SIGCONT');
    return Promise.resolve();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  private watch(child: ChildProcess): void {
    if (child.pid === undefined) return;
    const args = ['-c', WATCHER, 'sh', String(child.pid), ...(this.options.killCommand ?? [])];
    const watcher = spawn('/bin/sh', args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    watcher.on('error', () => undefined);
    // Neither child keeps this process alive, so it can end even if `stop` was not called.
    watcher.unref();
    child.unref();
    const { stdin } = watcher;
    stdin?.on('error', () => undefined);
    if (stdin instanceof Socket) stdin.unref();
    child.on('exit', () => watcher.kill('SIGKILL'));
    this.watcher = watcher;
  }

  private unwatch(): void {
    this.watcher?.kill('SIGKILL');
    this.watcher = undefined;
  }
}

function isRunning(child: ChildProcess | undefined): boolean {
  return child !== undefined && child.exitCode === null && child.signalCode === null && child.pid !== undefined;
}

async function ended(child: ChildProcess): Promise<void> {
  child.ref();
  if (isRunning(child)) await once(child, 'exit');
}

/**
 * A broker, or another server, that we started on this machine, and the URL for its clients, with a login where it
 * needs one. Its data stays over a stop.
 */
export type BrokerHandle = BrokerProcess & { readonly url: string; readonly port: number };

/**
 * Starts a broker on the given port, or on a free one. Another program may take a free port before the broker does; then another port is
 * tried.
 * @throws BrokerStartError when it does not start.
 */
export async function startOnPort(
  port: number | undefined,
  scheme: 'nats' | 'redis' | 'http',
  optionsFor: (port: number) => ProcessOptions | Promise<ProcessOptions>,
  { login, pickPort = freePort }: { readonly login?: BrokerLogin; readonly pickPort?: () => Promise<number> } = {},
): Promise<BrokerHandle> {
  for (let attempt = 1; ; attempt++) {
    const chosen = port ?? (await pickPort());
    const broker = new BrokerProcess(await optionsFor(chosen));
    try {
      await broker.start();
      return Object.assign(broker, { url: brokerUrl(scheme, chosen, login), port: chosen });
    } catch (error) {
      const isWorthAnother =
        error instanceof BrokerStartError && error.isPortTaken && port === undefined && attempt < 5;
      if (!isWorthAnother) throw error;
    }
  }
}
