import { findBinary } from './find-binary.js';
import { runCommand } from './run-command.js';

/** The docker client's path when an engine answers it within a few seconds, else undefined. */
export async function dockerAnswers(): Promise<string | undefined> {
  const docker = await findBinary('docker');
  if (docker === undefined) return undefined;
  const { exitCode } = await runCommand(docker, ['version', '--format', '{{.Server.Version}}'], { timeoutMs: 4_000 });
  return exitCode === 0 ? docker : undefined;
}
