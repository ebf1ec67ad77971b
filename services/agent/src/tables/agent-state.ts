import type { TableRow } from '@muster/tables';
import type { Collector, System } from './contract/system.js';
import { parseObject } from './linux/parse/json.js';

type Json = Readonly<Record<string, unknown>>;

/** What the agent keeps in its data directory: files in quarantine, and the isolation in force. No rows where no agent runs. */
export function agentState(dataDir: () => string | undefined): readonly Collector[] {
  return [
    {
      table: 'quarantine',
      *collect(system, request) {
        const folder = dataDir();
        if (folder === undefined) return;
        for (const name of system.list(`${folder}/quarantine`)) {
          request.checkpoint();
          const id = /^([0-9a-f]{32})\.json$/.exec(name)?.[1];
          const item = id === undefined ? undefined : readJson(system, `${folder}/quarantine/${name}`);
          if (id !== undefined && item !== undefined) yield { id, ...itemRow(item) };
        }
      },
    },
    {
      table: 'isolation',
      *collect(system) {
        const folder = dataDir();
        const state = folder === undefined ? undefined : readState(system, `${folder}/isolation.json`);
        if (state !== undefined) yield isolationRow(state);
      },
    },
  ];
}

function readState(system: System, path: string): Json | undefined {
  return system.exists(path) ? readJson(system, path) : undefined;
}

/** As it was written: bytes of names that are not UTF-8 stand in it as characters already. */
function readJson(system: System, path: string): Json | undefined {
  return parseObject(system.bytes(path)?.toString() ?? '');
}

function itemRow(item: Json): TableRow {
  return {
    path: text(item['path']),
    sha256: text(item['sha256']),
    size: whole(item['size']),
    mode: (whole(item['mode']) ?? 0).toString(8).slice(-4).padStart(4, '0'),
    uid: whole(item['uid']),
    gid: whole(item['gid']),
    mtime: secondsOf(item['modifiedMs']),
    taken_at: secondsOf(item['takenAtMs']),
    command: text(item['command']),
  };
}

function isolationRow(state: Json): TableRow {
  const texts = (value: unknown): string => (Array.isArray(value) ? value.map(text).join(',') : '');
  return {
    command: text(state['command']),
    release_at: secondsOf(state['releaseAtMs']),
    lasts: secondsOf(state['lastsMs']),
    allow: texts(state['allow']),
    gateways: texts(state['gateways']),
  };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function whole(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? Math.floor(value) : undefined;
}

function secondsOf(ms: unknown): number | undefined {
  const value = whole(ms);
  return value === undefined ? undefined : Math.floor(value / 1_000);
}
