import { readFileSync } from 'node:fs';
import type { ActionJson, RequestTarget } from '@muster/api-contract';
import { LIMITS } from '@muster/protocol';
import type { CommandEnv } from '../environment/command-env.js';
import { checkAgentIds, isAgentFile, readAgentList } from '../environment/agent-list.js';
import { checkId, wholeId } from '../environment/short-ids.js';
import { CliError, EXIT, usageError } from '../terminal/cli-error.js';
import { counted } from '../terminal/listing.js';
import type { Terminal } from '../terminal/terminal.js';
import { readRows, type BoundRow } from './rows.js';

export interface TargetOptions {
  readonly target?: string;
  readonly agents?: string;
  readonly from?: string;
  readonly query?: string;
}

/** The targets of a command. */
export interface Target {
  readonly spec: RequestTarget;
  /** For people: `os=linux`, `12 rows of 7 endpoints`. */
  readonly text: string;
  /** Only when rows were read. */
  readonly rows?: readonly BoundRow[];
  readonly duplicates?: number;
}

/** Reads `--target`, `--agents`, `--from` or `--query`, of which there must be exactly one. @throws CliError */
export async function readTarget(
  action: ActionJson,
  options: TargetOptions,
  env: Pick<CommandEnv, 'terminal' | 'client'>,
): Promise<Target> {
  checkTarget(options);
  const { target, agents, from, query } = options;
  if (target !== undefined) return { spec: { selector: target }, text: target === '' ? 'every endpoint' : target };
  if (agents !== undefined) {
    const agentIds = await readAgentList(env, agents);
    return { spec: { agentIds }, text: counted(agentIds.length, 'endpoint') };
  }
  if (query !== undefined) {
    const id = await wholeId(env.client(), 'query', query);
    return { spec: { query: id }, text: `the rows of query ${id}` };
  }
  const { rows, duplicates } = readRows(action, await readSource(from ?? '-', env.terminal));
  if (rows.length > LIMITS.commandRows)
    throw usageError(
      `one command acts on at most ${counted(LIMITS.commandRows, 'row')}, and these are ${counted(rows.length, 'row')}`,
      'ask for less, or divide them',
    );
  const endpoints = new Set(rows.map(({ agentId }) => agentId)).size;
  return {
    spec: { rows: rows.map(({ agentId, row }) => ({ agentId, row })) },
    text: `${counted(rows.length, 'row')} of ${counted(endpoints, 'endpoint')}`,
    rows,
    duplicates,
  };
}

/** The checks that need no input and no server. @throws CliError */
export function checkTarget({ target, agents, from, query }: TargetOptions): void {
  const given = [target, agents, from, query].filter((one) => one !== undefined);
  if (given.length !== 1)
    throw usageError(
      given.length === 0
        ? 'say on which endpoints: --target SELECTOR, --agents ID,…, --from FILE or --query ID'
        : 'only one of --target, --agents, --from and --query can say on which endpoints',
      given.length === 0 ? "--target '' is every endpoint" : undefined,
    );
  if (query !== undefined) checkId('query', query);
  if (agents !== undefined && !isAgentFile(agents)) checkAgentIds(agents);
}

async function readSource(from: string, terminal: Terminal): Promise<string> {
  if (from === '-') return terminal.readInput();
  try {
    return readFileSync(from, 'utf8');
  } catch (cause) {
    throw new CliError(`${from} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`, {
      exitCode: EXIT.usage,
      cause,
    });
  }
}
