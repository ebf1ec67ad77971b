import type { ActionJson, QuestionJson, TableJson } from '@muster/api-contract';
import { listActions } from '../actions/catalogue.js';
import { choicesOf, paramSchemas } from '../actions/params.js';
import type { CommandEnv } from '../environment/command-env.js';
import { findLocal, localNames, orgQuestion, ownFolder } from '../questions/library.js';

/** Candidates that only the server knows. */
export interface DynamicWords {
  actions(): Promise<readonly string[]>;
  /** `name=` of parameters that are not among the words yet, or the values of the parameter that is being typed. */
  params(action: string, given: readonly string[], start: string): Promise<readonly string[]>;
  /** Ids of the newest commands, of one status or of all. */
  commands(status?: 'awaiting_approval' | 'running'): Promise<readonly string[]>;
  /** Ids of the newest queries. */
  queries(state?: 'running'): Promise<readonly string[]>;
  /** Names of saved questions; of the org's alone. */
  questions(source?: 'org'): Promise<readonly string[]>;
  /** Names of the parameters of a saved question. */
  questionParams(name: string): Promise<readonly string[]>;
  tables(): Promise<readonly string[]>;
  /** Columns of the tables that a statement names. */
  columns(sql: string): Promise<readonly string[]>;
  /** Names of labels, or the values of one. */
  labels(key?: string): Promise<readonly string[]>;
  /** Host names of endpoints; of a large fleet only some. */
  hosts(): Promise<readonly string[]>;
}

/** A shell waits for this at every Tab. */
const TIMEOUT_MS = 1_500;
const NEWEST = 20;
const HOSTS = 500;

/** Asks the server of the context in force. Without a context, or without an answer in time, there are no candidates. */
export function serverWords(env: Pick<CommandEnv, 'client' | 'terminal'>): DynamicWords {
  const signal = (): AbortSignal => AbortSignal.timeout(TIMEOUT_MS);
  const orNothing = async <T>(ask: () => Promise<readonly T[]>): Promise<readonly T[]> => {
    try {
      return await ask();
    } catch {
      return [];
    }
  };
  const own = (): string | undefined => ownFolder(env.terminal.env);
  const savedQuestions = async (): Promise<readonly QuestionJson[]> =>
    (await env.client().call('GET /v1/questions', { query: { limit: 1_000 }, signal: signal() })).items;
  const tables = (): Promise<readonly TableJson[]> =>
    orNothing(async () => (await env.client().call('GET /v1/tables', { signal: signal() })).items);
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
    queries: (state) =>
      orNothing(async () => {
        const page = await env.client().call('GET /v1/queries', { query: { limit: NEWEST, state }, signal: signal() });
        return page.items.map(({ id }) => id);
      }),
    questions: async (source) => {
      const ofOrg = await orNothing(async () => (await savedQuestions()).map(({ name }) => name));
      return source === 'org' ? ofOrg : [...new Set([...localNames(own()), ...ofOrg])].sort();
    },
    questionParams: async (name) => {
      const local = findLocal(name, own());
      const [saved] =
        local?.source === 'file' ? [] : await orNothing(async () => (await savedQuestions()).filter(isNamed(name)));
      const found = saved === undefined ? local : orgQuestion(saved, local);
      return found?.question.params?.map((one) => one.name) ?? [];
    },
    tables: async () => (await tables()).map(({ name }) => name),
    columns: async (sql) =>
      (await tables())
        .filter(({ name }) => new RegExp(`\\b${name}\\b`, 'i').test(sql))
        .flatMap((table) => table.columns.map(({ name }) => name)),
    labels: (key) =>
      orNothing(async () => {
        const { items } = await env.client().call('GET /v1/labels', { signal: signal() });
        if (key === undefined) return items.map((label) => label.key);
        return items.find((label) => label.key === key)?.values.map(({ value }) => value) ?? [];
      }),
    hosts: () =>
      orNothing(async () => {
        const page = await env.client().call('GET /v1/agents', { query: { limit: HOSTS }, signal: signal() });
        // A name that is none would not be found, and might be anything.
        return [...new Set(page.items.map(({ host }) => host).filter((host) => HOST_NAME.test(host)))];
      }),
  };
}

const isNamed =
  (name: string) =>
  (one: QuestionJson): boolean =>
    one.name === name;

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
