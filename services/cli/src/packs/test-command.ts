import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { CommandEnv } from '../environment/command-env.js';
import { CliError, EXIT } from '../terminal/cli-error.js';

/** What an agent may write about one pack. */
const MAX_OUTPUT = 64 * 1024 * 1024;

/**
 * `muster pack test`: an agent on this machine runs the checks, in its own process and without a gateway. Its outcomes
 * go to stdout as they are.
 * @throws CliError when there is no agent
 */
export async function testPack(env: CommandEnv, path: string, agent: string, output: string): Promise<void> {
  const args = ['check', '--output', output, path];
  // A script is run by the Node.js that runs this program.
  const [program, all] = agent.endsWith('.js') ? [process.execPath, [agent, ...args]] : [agent, args];
  const child = spawn(program, all, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? EXIT.error));
  });
  const [code, out, err] = await Promise.all([ended, textOf(child.stdout), textOf(child.stderr)]).catch(
    (cause: unknown) => {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new CliError(`the agent cannot be started: ${message}`, {
        hint: 'name the program of an agent on this machine with --agent',
        cause,
      });
    },
  );
  await env.terminal.stdout.write(out);
  await env.terminal.stderr.write(err);
  if (code !== 0) env.exit(code === 2 ? EXIT.error : EXIT.partial);
}

async function textOf(stream: Readable): Promise<string> {
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > MAX_OUTPUT) throw new Error('it writes too much');
  }
  return text;
}
