import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import type { CommandBody } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import { AGENT, CommandEndpoint, type EndpointOptions, OTHER_AGENT } from './command-endpoint.js';
import { CommandIssuer, type IssueOptions } from './command-issuer.js';

/** The data directory, the clock and the command service of the current test. */
export let folder: string;
export let clock: FakeClock;
export let issuer: CommandIssuer;
const open: CommandEndpoint[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'muster-commands-'));
  clock = new FakeClock();
  issuer = await CommandIssuer.create(() => clock.now());
});
afterEach(async () => {
  for (const { runner } of open.splice(0)) await runner.stop(AbortSignal.abort());
  rmSync(folder, { recursive: true, force: true });
});

/** An agent over the data directory of this test; a second one is the agent after a restart. */
export function endpoint(options: Partial<EndpointOptions> = {}): CommandEndpoint {
  const made = new CommandEndpoint({ folder, clock, roots: issuer.roots, ...options });
  open.push(made);
  return made;
}

/** A command for this agent. */
export const one = (options: Partial<IssueOptions> = {}): CommandBody =>
  issuer.issue({ targets: [AGENT, OTHER_AGENT], ...options })[0]!;

/** A command that undoes another one. */
export function undoOf(command: string, claims: object = {}): CommandBody {
  return issuer.issue({
    targets: [[AGENT, { target: 1 }]],
    claims: { action: 'undo', params: { command }, ...claims },
  })[0]!;
}

export const keyOf = ({ id, number }: CommandBody): { id: never; number: number } => ({ id: id as never, number });

/** The entries of the history file: `started`, `outcome succeeded`, ... */
export const recorded = (): string[] =>
  readFileSync(join(folder, 'commands.log'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { t: string; state?: string })
    // The first line is the file's own.
    .filter(({ t }) => t !== 'log')
    .map(({ t, state }) => (state === undefined ? t : `${t} ${state}`));
