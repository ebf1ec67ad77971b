import { randomBytes } from 'node:crypto';
import { findBinary } from './find-binary.js';
import { runCommand } from './run-command.js';

/** The path of the docker client, when an engine answers it within a few seconds; else undefined. */
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
  /** Port on loopback → port of the container. */
  readonly ports: ReadonlyMap<number, number>;
  /** The folder of this machine that is `/data` in the container; without it the data is lost with the container. */
  readonly dataDir?: string;
  readonly command: readonly string[];
}

/** The command that runs a container in the foreground under our user id, and the command that forces its end. */
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
