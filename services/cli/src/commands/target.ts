import { readFileSync } from 'node:fs';
import type { ActionJson, RequestTarget } from '@muster/api-contract';
import { isAgentId, isQueryId, LIMITS } from '@muster/protocol';
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
export async function readTarget(action: ActionJson, options: TargetOptions, terminal: Terminal): Promise<Target> {
  checkTarget(options);
  const { target, agents, from, query } = options;
  if (target !== undefined) return { spec: { selector: target }, text: target === '' ? 'every endpoint' : target };
  if (agents !== undefined) {
    const agentIds = readAgentIds(agents);
    return { spec: { agentIds }, text: counted(agentIds.length, 'endpoint') };
  }
  if (query !== undefined) return { spec: { query }, text: `the rows of query ${query}` };
  const { rows, duplicates } = readRows(action, await readSource(from ?? '-', terminal));
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
  if (query !== undefined && !isQueryId(query)) throw usageError(`"${query}" is not the id of a query`);
}

/** `--agents`: ids between commas, duplicates removed. @throws CliError that names what is no id */
export function readAgentIds(text: string): string[] {
  const agentIds = [...new Set(text.split(',').map((id) => id.trim()))];
  const wrong = agentIds.filter((id) => !isAgentId(id));
  if (wrong.length > 0)
    throw usageError(
      `--agents takes ids; ${wrong.map((id) => `"${id}"`).join(', ')} ${wrong.length === 1 ? 'is none' : 'are none'}`,
      '--target host=NAME selects by name',
    );
  return agentIds;
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
