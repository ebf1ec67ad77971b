import { randomBytes } from 'node:crypto';
import { findBinary } from './find-binary.js';
import { runCommand } from './run-command.js';

/** The docker client's path when an engine answers it within a few seconds, else undefined. */
export async function dockerAnswers(): Promise<string | undefined> {
  const docker = await findBinary('docker');
  if (docker === undefined) return undefined;
  const { exitCode } = await runCommand(docker, ['version', '--format', '{{.Server.Version}}'], { timeoutMs: 4_000 });
  return exitCode === 0 ? docker : undefined;
}

export interface ContainerOptions {
  readonly docker: string;
  readonly image: string;
  /** Part of the container's name. */
  readonly what: string;
  /** Loopback port → the container's. */
  readonly ports: ReadonlyMap<number, number>;
  /** Where `/data` of the container is on this machine; without it the data ends with the container. */
  readonly dataDir?: string;
  readonly command: readonly string[];
}

/** How to run a container in the foreground, as us, so that the files it leaves are ours; and how to end it for certain. */
export function containerCommand({ docker, image, what, ports, dataDir, command }: ContainerOptions) {
  const name = `muster-${what}-${randomBytes(4).toString('hex')}`;
  const publish = [...ports].flatMap(([outside, inside]) => ['-p', `127.0.0.1:${outside}:${inside}`]);
  const user = process.getuid === undefined ? [] : ['--user', `${process.getuid()}:${process.getgid?.() ?? 0}`];
  const volume = dataDir === undefined ? [] : ['-v', `${dataDir}:/data`];
  return {
    program: docker,
    args: ['run', '--rm', '--name', name, ...publish, ...user, ...volume, image, ...command],
    killCommand: [docker, 'kill', name],
  };
}
