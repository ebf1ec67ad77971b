import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@muster/runtime/testing';
import { debianFiles, type ImageStore } from '../containers/stand-ins.js';
import { must, runCommand, type Ran } from '../kit/manifests/run-command.js';

const COMPOSE = 'usr/libexec/docker/cli-plugins/docker-compose';

/**
 * A Docker engine of the test's own: images and volumes below one folder, its socket in a temporary one. Nothing of an
 * engine that the machine has is seen or touched. It changes no packet filter of this machine, so containers reach each
 * other and this machine, and nothing beyond. (It needs iptables nevertheless: for names, within the network of each
 * container.)
 */
export class Docker implements ImageStore {
  readonly folder: string;
  /** `docker compose` of the machine, or that of Debian 13. */
  readonly #compose: readonly string[];
  readonly #runtime: string;
  readonly #daemon: ChildProcess;
  readonly #hadBridge: boolean;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(folder: string, runtime: string, compose: readonly string[]) {
    this.folder = folder;
    this.#compose = compose;
    this.#runtime = runtime;
    this.#hadBridge = 'docker0' in networkInterfaces() || existsSync('/sys/class/net/docker0');
    const socket = `unix://${join(runtime, 'socket')}`;
    // Kept between runs, as the images are.
    const log = openSync(this.#log, 'w');
    this.#daemon = spawn(
      'dockerd',
      [
        ...['--data-root', join(folder, 'data'), '--exec-root', join(runtime, 'exec')],
        ...['--pidfile', join(runtime, 'pid'), '--host', socket],
        ...['--iptables=false', '--ip6tables=false', '--storage-driver=overlay2'],
      ],
      { stdio: ['ignore', log, log] },
    );
    // Its BuildKit would pull the syntax that the Dockerfile names.
    this.#env = { ...process.env, DOCKER_HOST: socket, DOCKER_BUILDKIT: '0' };
  }

  /** What keeps this machine from running the engine; undefined when nothing does. */
  static missing(): string | undefined {
    if (process.getuid?.() !== 0) return 'dockerd needs root';
    for (const program of ['docker', 'dockerd', 'containerd', 'runc', 'iptables', 'mmdebstrap']) {
      if (spawnSync(program, ['--version']).status !== 0) return `${program} is not installed`;
    }
    if (spawnSync('unshare', ['-n', 'true']).status !== 0) return 'namespaces are not allowed';
    return undefined;
  }

  /** @throws when it does not start, with the end of its log. */
  static async start(folder: string): Promise<Docker> {
    mkdirSync(folder, { recursive: true });
    const docker = new Docker(folder, mkdtempSync(join(tmpdir(), 'muster-compose-')), await composeIn(folder));
    try {
      await eventually(async () => (await docker.try('version')).code === 0, 'dockerd answers');
    } catch (error) {
      await docker.stop();
      throw new Error(readFileSync(docker.#log, 'utf8').slice(-2_000), { cause: error });
    }
    return docker;
  }

  get #log(): string {
    return join(this.folder, 'dockerd.log');
  }

  /** Runs docker. @returns what it wrote. @throws when it fails. */
  run(...args: readonly string[]): Promise<string> {
    return must('docker', args, { env: this.#env });
  }

  try(...args: readonly string[]): Promise<Ran> {
    return runCommand('docker', args, { env: this.#env });
  }

  /** Runs `docker compose`, with `env` for the variables of the file. @throws when it fails. */
  compose(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
    const [command = 'docker', ...first] = this.#compose;
    return must(command, [...first, ...args], { env: { ...this.#env, ...env } });
  }

  /** `npm run images`, with bases that are there. */
  images(): Promise<string> {
    return must(process.execPath, ['deploy/images/build.mjs', '--engine', 'docker'], { env: this.#env });
  }

  async has(image: string): Promise<boolean> {
    return (await this.try('image', 'inspect', image)).code === 0;
  }

  async import(archive: string, image: string, changes: readonly string[]): Promise<void> {
    await this.run('import', ...changes.flatMap((change) => ['--change', change]), archive, image);
  }

  /** Ends the engine, and what runs in it. Images stay. */
  async stop(): Promise<void> {
    if (this.#daemon.exitCode === null && this.#daemon.signalCode === null) {
      const closed = once(this.#daemon, 'close');
      this.#daemon.kill('SIGTERM');
      await closed;
    }
    if (!this.#hadBridge) await runCommand('ip', ['link', 'delete', 'docker0']);
    rmSync(this.#runtime, { recursive: true, force: true });
  }
}

/** The file needs version 2 of Compose. Debian 12 has version 1; Debian 13's runs here too. */
async function composeIn(folder: string): Promise<readonly string[]> {
  const { stdout } = await runCommand('docker', ['compose', 'version', '--short']);
  if (/^v?([2-9]|\d\d)\./.test(stdout)) return ['docker', 'compose'];
  if (!existsSync(join(folder, COMPOSE))) {
    const archive = join(folder, 'compose.tar');
    await debianFiles(archive, 'docker-compose');
    await must('tar', ['-C', folder, '-xf', archive, `./${COMPOSE}`]);
    rmSync(archive);
  }
  return [join(folder, COMPOSE)];
}
