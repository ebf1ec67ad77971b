import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LinuxTables } from '../table-fixture.js';
import { parseShadow } from './parse/shadow.js';

const UID = 4711;

/** A tree with the home of one user, and one of another. */
describe('what users leave', () => {
  let root: string;
  let tables: LinuxTables;
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'muster-traces-'));
    mkdirSync(join(root, 'etc/ssh'), { recursive: true });
    mkdirSync(join(root, 'home/eve/.ssh'), { recursive: true });
    write('etc/passwd', `root:x:0:0::/root:/bin/sh\neve:x:${UID}:4711::/home/eve:/bin/sh\n`);
    tables = await LinuxTables.open(root);
  });
  afterEach(() => {
    tables.close();
    rmSync(root, { recursive: true });
  });

  const write = (path: string, content: string | Buffer): void => writeFileSync(join(root, path), content);
  const rows = (sql: string) => tables.query(sql).rows;

  it('commands have the time that bash or zsh noted, as osquery has it', () => {
    const text =
      '#1700000000\nls -l\n: 1700000001:0;zsh cmd\n\n  spaced  \nplain\n#notts\n#170\\\n: 17:0;multi\\\nline2\n';
    write('home/eve/.bash_history', text);
    expect(rows('SELECT time, command FROM shell_history')).toEqual([
      { time: 1_700_000_000, command: 'ls -l' },
      { time: 1_700_000_001, command: 'zsh cmd' },
      { time: 0, command: '' },
      { time: 0, command: '  spaced  ' },
      { time: 0, command: 'plain' },
      { time: 0, command: '#notts' },
      { time: 0, command: '#170\\' },
      { time: 17, command: 'multi\\' },
      { time: 0, command: 'line2' },
    ]);
    expect(rows('SELECT DISTINCT uid, history_file FROM shell_history')).toEqual([
      { uid: UID, history_file: '/home/eve/.bash_history' },
    ]);
    expect(rows('SELECT * FROM shell_history WHERE uid = 0')).toEqual([]);
  });

  it('options of the SSH client stand below their block', () => {
    write(
      'home/eve/.ssh/config',
      '# c\nHost  Foo *.Bar\n  User   Bob\n\tIdentityFile=~/.ssh/X\nMatch  host a exec "B"\nProxyJump  Z  # tail\n',
    );
    write('etc/ssh/ssh_config', 'Include /etc/ssh/x/*.conf\nHost *\n    HashKnownHosts yes\n');
    expect(rows('SELECT uid, block, option FROM ssh_configs')).toEqual([
      { uid: UID, block: 'host  foo *.bar', option: 'user   bob' },
      { uid: UID, block: 'host  foo *.bar', option: 'identityfile=~/.ssh/x' },
      { uid: UID, block: 'match  host a exec "b"', option: 'proxyjump  z  # tail' },
      { uid: 0, block: '', option: 'include /etc/ssh/x/*.conf' },
      { uid: 0, block: 'host *', option: 'hashknownhosts yes' },
    ]);
  });

  it('known hosts are the lines that are no comments', () => {
    write('home/eve/.ssh/known_hosts', '|1|abc= ssh-rsa AAA\n\n# c\n  host ssh-rsa B\n@cert-authority *.x ssh-rsa C');
    expect(rows('SELECT key FROM known_hosts').map(({ key }) => key)).toEqual([
      '|1|abc= ssh-rsa AAA',
      'host ssh-rsa B',
      '@cert-authority *.x ssh-rsa C',
    ]);
  });

  it('private keys say whether they need a passphrase, and what they are', () => {
    const cipher = { cipher: 'aes-256-cbc', passphrase: 'x' } as const;
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
    write('home/eve/.ssh/pkcs8', rsa.export({ type: 'pkcs8', format: 'pem' }));
    write('home/eve/.ssh/pkcs1', rsa.export({ type: 'pkcs1', format: 'pem' }));
    write('home/eve/.ssh/pkcs1-locked', rsa.export({ type: 'pkcs1', format: 'pem', ...cipher }));
    write('home/eve/.ssh/pkcs8-locked', rsa.export({ type: 'pkcs8', format: 'pem', ...cipher }));
    const ec = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey;
    write('home/eve/.ssh/sec1', ec.export({ type: 'sec1', format: 'pem' }));
    write(
      'home/eve/.ssh/broken',
      '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA////\n-----END OPENSSH PRIVATE KEY-----\n',
    );
    write('home/eve/.ssh/notes', 'no key\n');
    const found = rows('SELECT * FROM user_ssh_keys ORDER BY path').map((row) => [
      String(row['path']).split('/').at(-1),
      ...['encrypted', 'key_type', 'key_group_name', 'key_length', 'key_security_bits'].map((name) => row[name]),
    ]);
    expect(found).toEqual([
      ['broken', 0, '', '', -1, -1],
      ['pkcs1', 0, 'rsa', '', 2_048, 112],
      ['pkcs1-locked', 1, '', '', -1, -1],
      ['pkcs8', 0, 'rsa', '', 2_048, 112],
      ['pkcs8-locked', 1, '', '', -1, -1],
      ['sec1', 0, 'ec', 'secp384r1', 384, 192],
    ]);
  });

  it.each([
    ['rsa', ['-b', '3072'], ['rsa', '', 3_072, 128]],
    ['ecdsa', ['-b', '521'], ['ec', 'secp521r1', 521, 256]],
    ['ed25519', [], ['ed25519', '', 256, 128]],
  ])('keys of ssh-keygen, locked or not: %s', (type, options, expected) => {
    for (const [name, passphrase] of [
      ['open', ''],
      ['locked', 'secret'],
    ] as const) {
      execFileSync('ssh-keygen', [
        '-q',
        '-t',
        type,
        ...options,
        '-N',
        passphrase,
        '-f',
        join(root, 'home/eve/.ssh', name),
      ]);
    }
    const found = rows('SELECT * FROM user_ssh_keys ORDER BY path').map((row) =>
      ['encrypted', 'key_type', 'key_group_name', 'key_length', 'key_security_bits'].map((name) => row[name]),
    );
    expect(found).toEqual([
      [1, ...expected],
      [0, ...expected],
    ]);
  });

  it('what is huge costs its own beginning, and the answer says so', () => {
    write('home/eve/.bash_history', '');
    truncateSync(join(root, 'home/eve/.bash_history'), 40 * 1024 ** 3);
    execFileSync('sh', ['-c', 'printf "\\nlast command\\n" >> "$0"', join(root, 'home/eve/.bash_history')]);
    write('home/eve/.zsh_history', `first\n${'\n'.repeat(300_000)}newest\n`);
    const { result, rows: found } = tables.query("SELECT command FROM shell_history WHERE command <> ''");
    expect(found).toEqual([{ command: 'last command' }, { command: 'newest' }]);
    expect(result).toMatchObject({ ok: true, warnings: [{ code: 'too_large', count: 2 }] });
  });

  it('pipes, folders, broken links and odd bytes hold up nothing', () => {
    execFileSync('mkfifo', [join(root, 'home/eve/.bash_history'), join(root, 'home/eve/.ssh/id_rsa')]);
    mkdirSync(join(root, 'home/eve/.zsh_history'));
    symlinkSync('nowhere', join(root, 'home/eve/.history'));
    symlinkSync('.sh_history', join(root, 'home/eve/.sh_history'));
    write('home/eve/.zhistory', Buffer.from([0x61, 0xff, 0x00, 0x62, 0x0a]));
    const { result, rows: found } = tables.query('SELECT command FROM shell_history');
    expect(found).toEqual([{ command: 'a\uefff\0b' }]);
    expect(result).toMatchObject({ ok: true });
    expect(rows('SELECT * FROM user_ssh_keys')).toEqual([]);
  });

  it('lines of files have their number; a pipe has none', () => {
    write('etc/motd', 'one\r\n\ntwo');
    execFileSync('mkfifo', [join(root, 'etc/motd.pipe')]);
    expect(rows("SELECT *, number FROM file_lines WHERE path LIKE '/etc/mot%'")).toEqual([
      { path: '/etc/motd', line: 'one', number: 1 },
      { path: '/etc/motd', line: '', number: 2 },
      { path: '/etc/motd', line: 'two', number: 3 },
    ]);
  });
});

const asRoot = process.getuid?.() === 0 ? describe : describe.skip;

describe('passwords', () => {
  it('entries are those that the C library takes', () => {
    const taken = [
      'q:!:7:+3:2::::',
      'n:x:1:2:3',
      'n::1:::::6:',
      'n::1::::::6',
      '  n::1::::::6',
      ':x:1::::::6',
      'n::1:::',
    ];
    const refused = [
      'o:!:1:2:3:4:5:6:18446744073709551615',
      'q:!: 7:+3:-1::::',
      'n:x:1:2:3 ',
      '#n::1::::::6',
      'n::99999999999::::::6',
    ];
    refused.push('n::1::::::6 ', 'n::1 ::::::6', 'n::1::', 'n::1:', 'f:*', 'c::1:::::: ', 'k::1:::::::', '');
    for (const line of taken) expect([line, parseShadow(`${line}\n`).length]).toEqual([line, 1]);
    for (const line of refused) expect([line, parseShadow(`${line}\n`).length]).toEqual([line, 0]);
  });
});

asRoot('passwords of this machine', () => {
  it('are those that getent has', async () => {
    const tables = await LinuxTables.open();
    const names = execFileSync('getent', ['shadow'], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((line) => line.split(':')[0]);
    expect(tables.query('SELECT username FROM shadow').rows.map(({ username }) => username)).toEqual(names);
    tables.close();
  });
});

describe('the agent and its clock', () => {
  it('say what they are', async () => {
    const tables = await LinuxTables.open();
    const [time] = tables.query('SELECT * FROM time').rows;
    expect(Math.abs(Number(time?.['unix_time']) - Date.now() / 1_000)).toBeLessThan(10);
    expect(time?.['datetime']).toBe(new Date(Number(time?.['unix_time']) * 1_000).toISOString().replace('.000', ''));
    expect(time?.['timestamp']).toMatch(/^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} UTC$/);
    const [info] = tables.query('SELECT * FROM osquery_info JOIN muster_info USING (pid, version)').rows;
    expect(info).toMatchObject({
      pid: process.pid,
      build_distro: 'muster',
      platform: 'linux',
      uid: process.getuid?.(),
    });
    expect(Math.abs(Number(info?.['start_time']) - (Date.now() / 1_000 - process.uptime()))).toBeLessThan(5);
    tables.close();
  });
});
