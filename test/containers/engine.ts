import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand, type Ran } from '../kit/manifests/run-command.js';
import type { ImageStore } from './stand-ins.js';

/**
 * Podman with storage and settings of its own below one folder: nothing of the machine's own containers is seen or touched. It works as
 * root without a daemon, also where cgroups are hybrid and limits cannot be raised.
 */
export class Engine implements ImageStore {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    const storage = join(folder, 'storage.conf');
    const containers = join(folder, 'containers.conf');
    writeFileSync(
      storage,
      `[storage]\ndriver="overlay"\ngraphroot="${join(folder, 'store')}"\nrunroot="${join(folder, 'run')}"\n`,
    );
    writeFileSync(
      containers,
      [
        '[containers]',
        'default_ulimits=["nofile=20000:20000","nproc=4096:4096"]',
        '[engine]',
        'runtime="runc"',
        'cgroup_manager="cgroupfs"',
        'events_logger="file"',
        '',
      ].join('\n'),
    );
    this.env = { ...process.env, CONTAINERS_STORAGE_CONF: storage, CONTAINERS_CONF: containers };
  }

  /** What keeps this machine from running containers; undefined when it can. */
  static missing(): string | undefined {
    if (process.getuid?.() !== 0) return 'containers without a daemon need root here';
    for (const program of ['podman', 'buildah', 'runc']) {
      if (spawnSync(program, ['--version']).status !== 0) return `${program} is not installed`;
    }
    if (spawnSync('unshare', ['-n', 'true']).status !== 0) return 'namespaces are not allowed';
    return undefined;
  }

  /** Runs podman. @throws when it fails, with what it wrote. */
  async podman(...args: readonly string[]): Promise<string> {
    const ran = await this.try(...args);
    if (ran.code !== 0)
      throw new Error(`podman ${args.slice(0, 3).join(' ')}: ${ran.code}\n${ran.stderr || ran.stdout}`);
    return ran.stdout;
  }

  try(...args: readonly string[]): Promise<Ran> {
    return this.#run('podman', args);
  }

  async has(image: string): Promise<boolean> {
    return (await this.try('image', 'exists', image)).code === 0;
  }

  async import(archive: string, image: string, changes: readonly string[]): Promise<void> {
    await this.podman('import', ...changes.flatMap((change) => ['--change', change]), archive, image);
  }

  /** `npm run images`, with bases that are there. */
  images(...args: readonly string[]): Promise<Ran> {
    return this.#run(process.execPath, ['deploy/images/build.mjs', '--no-pull', ...args]);
  }

  #run(command: string, args: readonly string[]): Promise<Ran> {
    return runCommand(command, args, { env: this.env });
  }
}
