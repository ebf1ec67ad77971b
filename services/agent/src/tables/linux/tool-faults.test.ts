import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

/** Every table that asks a program of the machine, a question that does, and the program. */
const QUESTIONS: readonly (readonly [sql: string, program: string])[] = [
  ['SELECT * FROM rpm_packages', 'usr/bin/rpm'],
  ['SELECT * FROM rpm_package_files', 'usr/bin/rpm'],
  ["SELECT * FROM rpm_package_files WHERE package = 'a'", 'usr/bin/rpm'],
  ['SELECT * FROM systemd_units', 'usr/bin/systemctl'],
  ['SELECT * FROM iptables', 'usr/sbin/iptables-nft-save'],
  ['SELECT * FROM nftables', 'usr/sbin/nft'],
  ['SELECT * FROM interface_addresses', 'usr/sbin/ip'],
  ['SELECT * FROM routes', 'usr/sbin/ip'],
  ['SELECT * FROM arp_cache', 'usr/sbin/ip'],
  ["SELECT * FROM magic WHERE path = '/etc/passwd'", 'usr/bin/file'],
  ["SELECT * FROM extended_attributes WHERE path = '/etc/passwd'", 'usr/bin/getfattr'],
];

/** Asks, and prints warnings and number of rows for each question. */
const ASK = `
  import('${new URL('../table-fixture.js', import.meta.url).href}').then(async ({ LinuxTables }) => {
    const tables = await LinuxTables.open();
    const answers = JSON.parse(process.argv[1]).map((sql) => {
      const { result, rows } = tables.query(sql);
      return { ok: result.ok, rows: rows.length, warnings: (result.warnings ?? []).map(({ message }) => message) };
    });
    console.log(JSON.stringify(answers));
    tables.close();
  })`;

interface Answer {
  readonly ok: boolean;
  readonly rows: number;
  readonly warnings: readonly string[];
}

const canMount = process.getuid?.() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0;
const whereMounted = canMount ? describe : describe.skip;

whereMounted('a program of the machine that fails', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'muster-tools-'));
    // The upper part of an overlay must not be on one.
    for (const part of ['upper', 'work']) mkdirSync(join(folder, part));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** In a view of the file systems of its own, which `prepare` changes. */
  function ask(prepare: string, questions: readonly string[]): Answer[] {
    const script = `set -e; mount --make-rprivate /; ${prepare}; exec "$@"`;
    const node = [process.execPath, '--input-type=module', '-e', ASK, JSON.stringify(questions)];
    const output = execFileSync('unshare', ['--mount', 'sh', '-c', script, 'sh', ...node], { encoding: 'utf8' });
    return JSON.parse(output) as Answer[];
  }
  const asSystemd = 'mkdir -p /run/systemd; mount -t tmpfs none /run/systemd; touch /run/systemd/private';

  test('is told, with what it says, in every table that asks one', () => {
    const fakes = join(folder, 'fakes');
    for (const [, program] of QUESTIONS) {
      mkdirSync(dirname(join(fakes, program)), { recursive: true });
      writeFileSync(join(fakes, program), '#!/bin/sh\necho "it is broken" >&2\nexit 3\n', { mode: 0o755 });
    }
    const overlay = `mount -t tmpfs none ${folder}/work; mkdir ${folder}/work/u ${folder}/work/w;
      cp -r ${fakes}/usr/. ${folder}/work/u;
      mount -t overlay overlay -o lowerdir=/usr,upperdir=${folder}/work/u,workdir=${folder}/work/w /usr; ${asSystemd}`;
    const answers = ask(
      overlay,
      QUESTIONS.map(([sql]) => sql),
    );
    for (const [index, [sql, program]] of QUESTIONS.entries()) {
      const told =
        program === 'usr/bin/file' ? '/etc/passwd: file does not tell' : `/${program} ended with 3: it is broken`;
      expect({ sql, ...answers[index] }).toMatchObject({
        ok: true,
        warnings: expect.arrayContaining([expect.stringContaining(told)]),
      });
    }
  });

  test('systemctl without a bus costs the states of units, and is told', () => {
    const [answer] = ask(asSystemd, ['SELECT id FROM systemd_units WHERE active_state IS NULL']);
    expect(answer?.warnings).toEqual([expect.stringMatching(/^\/usr\/bin\/systemctl ended with 1: /)]);
  });

  (spawnSync('rpm', ['--version']).status === 0 ? describe : describe.skip)('rpm', () => {
    test('rpm with a broken database is told', () => {
      const dbpath = execFileSync('rpm', ['--eval', '%_dbpath'], { encoding: 'utf8' }).trim();
      const prepare = `mkdir -p ${dbpath}; mount -t tmpfs none ${dbpath};
      for name in rpmdb.sqlite Packages Packages.db; do echo no database > ${dbpath}/$name; done`;
      const questions = [
        'SELECT name FROM rpm_packages',
        'SELECT path FROM rpm_package_files',
        "SELECT path FROM rpm_package_files WHERE package = 'mt-nothing'",
      ];
      for (const answer of ask(prepare, questions)) {
        expect(answer).toEqual({
          ok: true,
          rows: 0,
          warnings: [expect.stringMatching(/^\/usr\/bin\/rpm ended with 1: error: /)],
        });
      }
      // A package that is not there is no fault.
      expect(ask('true', questions.slice(2))).toEqual([{ ok: true, rows: 0, warnings: [] }]);
    });
  });

  (spawnSync('nft', ['--version']).status === 0 ? describe : describe.skip)('nft', () => {
    test('nft without its right is told', () => {
      const noRights = 'exec setpriv --bounding-set -net_admin --inh-caps -net_admin "$@"';
      const [answer] = ask(noRights, ['SELECT handle FROM nftables']);
      expect(answer?.warnings).toEqual([expect.stringMatching(/^\/usr\/sbin\/nft ended with 1: .*not permitted/)]);
    });
  });
});
