import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { npmTool, SARIF_MULTITOOL } from './manifests/npm-tools.js';
import { runCommand } from './manifests/run-command.js';

/** What the validator of Microsoft says of a file, errors and warnings: empty for a good one. `undefined` where it cannot be had. */
export async function sarifFaults(file: string): Promise<string[] | undefined> {
  const program = await npmTool(SARIF_MULTITOOL).then(
    (tool) => join(tool, 'Sarif.Multitool'),
    (error: unknown) => {
      process.stderr.write(`SARIF is not validated: ${String(error)}\n`);
      return undefined;
    },
  );
  if (program === undefined) return undefined;
  chmodSync(program, 0o755);
  const { stdout, stderr } = await runCommand('env', [
    ...['DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1', program, 'validate', file, '--level', 'Error;Warning'],
  ]);
  if (!stdout.includes('1 files scanned')) throw new Error(`the validator has looked at nothing: ${stdout}${stderr}`);
  return stdout.split('\n').filter((line) => /: (error|warning) (JSON|SARIF)\d+/.test(line));
}
