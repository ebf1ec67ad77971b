import type { ActionJson } from '@muster/api-contract';
import { listActions } from '../actions/catalogue.js';
import { choicesOf, paramSchemas } from '../actions/params.js';
import type { CommandEnv } from '../environment/command-env.js';

/** Candidates that only the server knows. */
export interface DynamicWords {
  actions(): Promise<readonly string[]>;
  /** `name=` of parameters that are not among the words yet, or the values of the parameter that is being typed. */
  params(action: string, given: readonly string[], start: string): Promise<readonly string[]>;
  /** Ids of the newest commands, of one status or of all. */
  commands(status?: 'awaiting_approval' | 'running'): Promise<readonly string[]>;
  /** Host names of endpoints; of a large fleet only some. */
  hosts(): Promise<readonly string[]>;
}

/** A shell waits for this at every Tab. */
const TIMEOUT_MS = 1_500;
const NEWEST = 20;
const HOSTS = 500;

/** Asks the server of the context in force. Without a context, or without an answer in time, there are no candidates. */
export function serverWords(env: Pick<CommandEnv, 'client'>): DynamicWords {
  const signal = (): AbortSignal => AbortSignal.timeout(TIMEOUT_MS);
  const orNothing = async <T>(ask: () => Promise<readonly T[]>): Promise<readonly T[]> => {
    try {
      return await ask();
    } catch {
      return [];
    }
  };
  const actions = (): Promise<readonly ActionJson[]> => orNothing(async () => listActions(env.client(), signal()));
  return {
    actions: async () => (await actions()).map(({ name }) => name),
    params: async (name, given, start) => {
      const action = (await actions()).find((one) => one.name === name);
      return action === undefined ? [] : paramWords(action, given, start);
    },
    commands: (status) =>
      orNothing(async () => {
        const query = { limit: NEWEST, status };
        const page = await env.client().call('GET /v1/commands', { query, signal: signal() });
        return page.items.map(({ id }) => id);
      }),
    hosts: () =>
      orNothing(async () => {
        const page = await env.client().call('GET /v1/agents', { query: { limit: HOSTS }, signal: signal() });
        // A name that is none would not be found, and might be anything.
        return [...new Set(page.items.map(({ host }) => host).filter((host) => HOST_NAME.test(host)))];
      }),
  };
}

const HOST_NAME = /^[A-Za-z0-9][-A-Za-z0-9_.]*$/;

function paramWords(action: ActionJson, given: readonly string[], start: string): string[] {
  const schemas = paramSchemas(action);
  const at = start.indexOf('=');
  if (at >= 0) {
    const key = start.slice(0, at);
    const schema = Object.hasOwn(schemas, key) ? schemas[key] : undefined;
    return schema === undefined ? [] : choicesOf(schema).map((choice) => `${key}=${choice}`);
  }
  const taken = new Set(given.map((word) => word.split('=', 1)[0]));
  return Object.keys(schemas)
    .filter((key) => !taken.has(key))
    .map((key) => `${key}=`);
}
