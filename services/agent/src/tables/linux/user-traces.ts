import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { lastText } from './last-text.js';
import { parsePrivateKey, securityBits } from './parse/private-key.js';
import { parseShadow, passwordStatus } from './parse/shadow.js';
import { lines, parseShellHistory } from './parse/shell-history.js';
import { candidatePaths } from './path_patterns.js';
import { homes } from './users.js';

const HISTORY_FILES = ['.bash_history', '.zsh_history', '.zhistory', '.history', '.sh_history'] as const;
const SYSTEM_SSH_CONFIG = '/etc/ssh/ssh_config';
/** Private keys are far smaller. */
const KEY_FILE_BYTES = 256 * 1024;
const LINES_BYTES = 16 * 1024 * 1024;
const MAX_LINES = 200_000;

/** What people keep and leave on a machine: these tables are sensitive. */
export const TRACE_COLLECTORS: readonly Collector[] = [
  {
    table: 'shell_history',
    *collect(system, request) {
      for (const { account, path, text } of ownFiles(system, request, HISTORY_FILES)) {
        for (const entry of parseShellHistory(text)) yield { ...entry, uid: account.uid, history_file: path };
      }
    },
  },
  {
    table: 'known_hosts',
    *collect(system, request) {
      for (const { account, path, text } of ownFiles(system, request, ['.ssh/known_hosts'])) {
        for (const line of lines(text)) {
          const key = line.trim();
          if (key !== '' && !key.startsWith('#')) yield { uid: account.uid, key, key_file: path };
        }
      }
    },
  },
  {
    table: 'ssh_configs',
    *collect(system, request) {
      for (const { account, path, text } of ownFiles(system, request, ['.ssh/config'])) {
        yield* configRows(text, { uid: account.uid, ssh_config_file: path });
      }
      yield* configRows(system.text(SYSTEM_SSH_CONFIG) ?? '', { uid: 0, ssh_config_file: SYSTEM_SSH_CONFIG });
    },
  },
  {
    table: 'user_ssh_keys',
    *collect(system, request) {
      for (const account of homes(system, request)) {
        const { uid, directory, files } = account;
        for (const name of files.list(`${directory}/.ssh`)) {
          const path = `${directory}/.ssh/${name}`;
          const text = lastText(files, request, { path, maxBytes: KEY_FILE_BYTES });
          const info = parsePrivateKey(text ?? '');
          if (info === undefined) continue;
          const { encrypted, type, group, bits } = info;
          const key = { key_type: type, key_group_name: group, key_length: bits };
          yield { uid, path, encrypted, ...key, key_security_bits: securityBits(info) };
        }
      }
    },
  },
  {
    table: 'shadow',
    *collect(system) {
      for (const { password, ...entry } of parseShadow(system.text('/etc/shadow') ?? '')) {
        yield { ...entry, ...passwordStatus(password) };
      }
    },
  },
  {
    table: 'file_lines',
    *collect(system, request) {
      const files = system.ofStatement(() => request.checkpoint());
      for (const { path, mayTouch, mayFollow } of candidatePaths(system, request)) {
        if (!mayTouch || !mayFollow() || system.stat(path)?.isFile() !== true) continue;
        yield* fileLines(files, request, path);
      }
    },
  },
];

function* ownFiles(system: System, request: CollectRequest, names: readonly string[]) {
  for (const account of homes(system, request)) {
    for (const name of names) {
      const path = `${account.directory}/${name}`;
      const text = lastText(account.files, request, { path });
      if (text !== undefined) yield { account, path, text };
    }
  }
}

/** Options with the `Host` or `Match` line that they stand below, in lower case as osquery has them. */
function* configRows(text: string, source: TableRow): Iterable<TableRow> {
  let block = '';
  for (const raw of lines(text)) {
    const line = raw.trim().toLowerCase();
    if (line === '' || line.startsWith('#')) continue;
    if (/^(host|match)[\s=]/.test(line)) block = line;
    else yield { ...source, block, option: line };
  }
}

function* fileLines(files: System, request: CollectRequest, path: string): Iterable<TableRow> {
  const text = files.head(path, LINES_BYTES + 1);
  if (text === undefined) return;
  if (text.length > LINES_BYTES) request.warn('too_large', `${path}: only the first ${LINES_BYTES} bytes are read`);
  let number = 0;
  for (const line of lines(text)) {
    number += 1;
    if (number > MAX_LINES) return request.warn('too_large', `${path}: only the first ${MAX_LINES} lines are read`);
    yield { path, line: line.endsWith('\r') ? line.slice(0, -1) : line, number };
  }
}
