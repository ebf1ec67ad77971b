import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { SqlValue } from '@muster/protocol';
import { TABLES } from '@muster/tables';
import { LinuxTables } from '../table-fixture.js';

const UID = 4711;
const HOME = 'home/eve';
const CRONTAB = 'var/spool/cron/crontabs/eve';
const key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });

/** What eve has, so that each table that reads where she may write has rows. */
const FILES: Readonly<Record<string, string | Buffer>> = {
  [CRONTAB]: '@daily job\n',
  [`${HOME}/.bash_history`]: 'ls\n',
  [`${HOME}/.ssh/known_hosts`]: 'host ssh-rsa A\n',
  [`${HOME}/.ssh/config`]: 'User a\n',
  [`${HOME}/.ssh/id`]: key,
  [`${HOME}/.ssh/authorized_keys`]: 'ssh-ed25519 AAAA eve\n',
  [`${HOME}/.config/autostart/a.desktop`]: '[Desktop Entry]\nName=A\nExec=/bin/a\n',
  [`${HOME}/.config/google-chrome/Default/Preferences`]: `{"extensions":{"settings":{"b":{"path":"/proc/../${HOME}/b"}}}}`,
  [`${HOME}/b/manifest.json`]: '{"version":"1","name":"b"}',
  [`${HOME}/.config/google-chrome/Default/Extensions/a/1/manifest.json`]: '{"version":"1","name":"a"}',
  [`${HOME}/.mozilla/firefox/p/extensions.json`]: '{"addons":[{"id":"a"}]}',
  [`${HOME}/.vscode/extensions/extensions.json`]: '[{"identifier":{"id":"a"}}]',
  [`${HOME}/.local/lib/python3.11/site-packages/a.dist-info/METADATA`]: 'Name: a\nVersion: 1\n',
  [`${HOME}/lib/node_modules/a/package.json`]: '{"name":"a"}',
  [`${HOME}/cert.pem`]: rootCertificates[0] ?? '',
  [`${HOME}/dpkg/status`]: 'Package: a\nStatus: install ok installed\nVersion: 1\n\n',
  [`${HOME}/dpkg/info/a.list`]: '/a\n',
};

/** Where statements send the tables that read at a path: their columns with `source`. */
const NAMED: Readonly<Record<string, string>> = {
  certificates: `path = '/${HOME}/cert.pem'`,
  deb_packages: `admindir = '/${HOME}/dpkg'`,
  deb_package_files: `admindir = '/${HOME}/dpkg'`,
  file_lines: `path LIKE '/${HOME}/.ssh/%'`,
  hash: `path LIKE '/${HOME}/%%'`,
  npm_packages: `directory = '/${HOME}/lib'`,
};
/** These tell of names and of what stands in the folder, as `ls` does, and open no file. */
const OPEN_NOTHING = ['file', 'suid_bin'];
/** By a program of the machine: tests of their own. */
const BY_PROGRAM = ['extended_attributes', 'magic'];
/** Where it was read, which is known before anything is. */
const PLACES = new Set(['path', 'directory', 'uid']);

const linuxTables = TABLES.filter(({ name, platforms }) => platforms.includes('linux') && !OPEN_NOTHING.includes(name));

interface Answer {
  readonly table: string;
  readonly rows: number;
  readonly ok: boolean;
  readonly warnings: readonly string[];
}

const asRoot = process.getuid?.() === 0 ? describe : describe.skip;

asRoot('every table that reads where a user may write', () => {
  let root: string;
  const children: ChildProcess[] = [];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'muster-home-'));
    chmodSync(root, 0o755);
    write('etc/passwd', `root:x:0:0::/root:/bin/sh\neve:x:${UID}:${UID}::/${HOME}:/bin/sh\n`, 0);
    for (const [path, content] of Object.entries(FILES)) write(path, content, UID);
    execFileSync('chown', ['-R', `${UID}:${UID}`, join(root, HOME)]);
    mkdirSync(join(root, 'outside'), { mode: 0o700 });
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    rmSync(root, { recursive: true });
  });

  const write = (path: string, content: string | Buffer, uid: number): void => {
    const real = join(root, path);
    mkdirSync(dirname(real), { recursive: true });
    writeFileSync(real, content, { mode: 0o600 });
    chownSync(real, uid, uid);
  };

  /** Each file of eve's becomes what `make` puts there; `outside` is a path that only root can reach. */
  const replaceFiles = (make: (path: string, outside: string) => void): void => {
    for (const [index, path] of Object.keys(FILES).entries()) {
      const outside = join(root, 'outside', String(index));
      renameSync(join(root, path), outside);
      make(join(root, path), outside);
    }
  };

  const link = (target: string, path: string): void => {
    symlinkSync(target, path);
    lchownSync(path, UID, UID);
  };

  const owns = (path: string, uid: number, mode: number): void => {
    chownSync(path, uid, uid);
    chmodSync(path, mode);
  };

  /** Asks every table, and tells of those that touched something of eve's. */
  async function ask(ms = 20_000): Promise<readonly Answer[]> {
    const touched: string[] = [];
    const tables = await LinuxTables.open(root, { touch: (path) => touched.push(path) });
    const answers: Answer[] = [];
    for (const { name } of linuxTables.filter((one) => !BY_PROGRAM.includes(one.name))) {
      touched.length = 0;
      const where = NAMED[name] === undefined ? '' : ` WHERE ${NAMED[name]}`;
      const { rows, result } = tables.query(`SELECT * FROM ${name}${where}`, { ms });
      if (!touched.some((path) => path.startsWith(`/${HOME}/`) || path === `/${CRONTAB}`)) continue;
      const warnings = result.ok ? result.warnings.map(({ code }) => code) : [];
      answers.push({ table: name, rows: rows.filter(isTold).length, ok: result.ok, warnings });
    }
    tables.close();
    return answers;
  }

  const isTold = (row: Record<string, SqlValue>): boolean =>
    Object.entries(row).some(([column, value]) => !PLACES.has(column) && value !== null);
  const withRows = (answers: readonly Answer[]) => answers.filter(({ rows }) => rows > 0).map(({ table }) => table);
  const names = (answers: readonly Answer[]) => answers.map(({ table }) => table);
  const notOk = (answers: readonly Answer[]) => answers.filter(({ ok }) => !ok).map(({ table }) => table);

  it('is known to this test, and has rows of what is the user’s', async () => {
    const named = linuxTables.filter(({ columns }) => columns.some(({ source, name }) => source && name !== 'uid'));
    const unknown = named.map(({ name }) => name).filter((name) => !(name in NAMED) && !BY_PROGRAM.includes(name));
    expect(unknown).toEqual(['python_packages']);
    const answers = await ask();
    expect(names(answers)).toEqual(
      expect.arrayContaining(['authorized_keys', 'chrome_extensions', 'startup_items', 'python_packages', 'crontab']),
    );
    expect(withRows(answers)).toEqual(names(answers));
    expect(answers.flatMap(({ warnings }) => warnings)).toEqual([]);
  });

  it.each<[string, (path: string, outside: string) => void]>([
    ['a link to it', (path, outside) => link(outside, path)],
    [
      'a link to a link to it',
      (path, outside) => {
        link(outside, `${path}.more`);
        link(`${path}.more`, path);
      },
    ],
    ['another name of it', (path, outside) => linkSync(outside, path)],
  ])('shows nothing of a file of root by %s, and says so', async (_what, make) => {
    replaceFiles((path, outside) => {
      owns(outside, 0, 0o600);
      make(path, outside);
    });
    const answers = await ask();
    expect(withRows(answers)).toEqual([]);
    expect(notOk(answers)).toEqual([]);
    expect(answers.filter(({ warnings }) => !warnings.includes('unreadable'))).toEqual([]);
  });

  it('shows nothing of folders of root by links to them', async () => {
    const home = join(root, HOME);
    for (const name of readdirSync(home)) {
      renameSync(join(home, name), join(root, 'outside', name));
      link(join(root, 'outside', name), join(home, name));
    }
    execFileSync('chown', ['-R', '0:0', join(root, 'outside')]);
    const answers = (await ask()).filter(({ table }) => table !== 'crontab');
    expect([withRows(answers), notOk(answers)]).toEqual([[], []]);
  });

  it.each<[string, number, number, number]>([
    ['are the user’s', UID, 0o600, 0o711],
    ['everybody may read', 0, 0o644, 0o755],
  ])('follows links to files that %s', async (_what, uid, mode, folderMode) => {
    chmodSync(join(root, 'outside'), folderMode);
    replaceFiles((path, outside) => {
      owns(outside, uid, mode);
      link(outside, path);
    });
    const answers = await ask();
    expect(withRows(answers)).toEqual(names(answers));
  });

  it('has what others put into the folder itself', async () => {
    for (const path of Object.keys(FILES)) owns(join(root, path), 0, 0o600);
    const answers = await ask();
    expect(withRows(answers)).toEqual(names(answers));
  });

  /** A process that waits until somebody opens the other end of the pipe, and then ends. */
  const waitAt = async (pipe: string): Promise<ChildProcess> => {
    const script = 'echo waiting; exec 3> "$0"';
    const child = spawn('/bin/sh', ['-c', script, pipe], { stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(child);
    await once(child.stdout, 'data');
    return child;
  };

  it.each(['in place', 'behind a link'])('opens no pipe and no device %s', async (where) => {
    const pipes: string[] = [];
    replaceFiles((path, outside) => {
      rmSync(outside);
      const at = where === 'in place' ? path : outside;
      execFileSync('mkfifo', [at]);
      pipes.push(at);
      owns(at, UID, 0o666);
      if (at !== path) link(at, path);
    });
    await Promise.all(pipes.map(waitAt));
    const answers = await ask();
    expect([withRows(answers), notOk(answers)]).toEqual([[], []]);
    // One that is opened ends; those that were opened before it have ended too.
    execFileSync('mkfifo', [join(root, 'opened')]);
    const opened = await waitAt(join(root, 'opened'));
    const ended = once(opened, 'exit');
    // Held until then: it may not wait yet, and would miss an end that is closed at once.
    const reader = openSync(join(root, 'opened'), constants.O_RDONLY | constants.O_NONBLOCK);
    await ended;
    closeSync(reader);
    expect(children.filter(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null)).toEqual([opened]);
  });

  it('ends in time where each file is huge, and says what it did not read', async () => {
    for (const path of Object.keys(FILES)) truncateSync(join(root, path), 2 ** 40);
    const answers = await ask(9_000);
    expect(notOk(answers)).toEqual([]);
    const silent = answers.filter(({ warnings }) => !warnings.some((code) => /^too_(large|slow)$|^cut$/.test(code)));
    // Keys are small, and of a package only the head is read.
    expect(names(silent)).toEqual(['python_packages', 'user_ssh_keys']);
  });
});
