import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LinuxTables } from '../table-fixture.js';

/** Our reader of units beside systemd itself, on generated files. Neither needs a machine that systemd booted. */
const SYSTEMCTL = '/usr/bin/systemctl';
const SYSTEMD = '/lib/systemd/systemd';
const withSystemctl = existsSync(SYSTEMCTL) ? describe : describe.skip;
/** It refuses to be root. */
const withSystemd = existsSync(SYSTEMD) && process.getuid?.() === 0 ? describe : describe.skip;

const CONFIG = 'etc/systemd/system';
const RUNTIME = 'run/systemd/system';
const VENDOR = 'usr/lib/systemd/system';
const FOLDERS = [CONFIG, RUNTIME, 'usr/local/lib/systemd/system', VENDOR];
const NAMES = ['a.service', 'b.socket', 'c@.service', 'd.timer', 'e.target'];

let root: string | undefined;
afterEach(() => {
  if (root !== undefined) rmSync(root, { recursive: true });
  root = undefined;
});

type Tree = Readonly<Record<string, string>>;

/** A text, or a link where it begins with `->`. */
function plant(files: Tree): string {
  if (root !== undefined) rmSync(root, { recursive: true });
  root = mkdtempSync(join(tmpdir(), 'muster-units-'));
  chmodSync(root, 0o755);
  for (const folder of FOLDERS) mkdirSync(join(root, folder), { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    if (content.startsWith('->')) symlinkSync(content.slice(2), path);
    else writeFileSync(path, content);
  }
  return root;
}

async function unitsOf(folder: string): Promise<Record<string, unknown>[]> {
  const tables = await LinuxTables.open(folder);
  const { rows } = tables.query('SELECT id, unit_file_state, description, user FROM systemd_units ORDER BY id');
  tables.close();
  return rows;
}

const install = fc.constantFrom(
  ...['', '[Install]\n', '[Install]\nWantedBy=m.target\n', '[Install]\nAlso=d.timer\n', '[Install]\nAlias=x.service\n'],
  ...[
    '[Install]\nWantedBy=m.target\nWantedBy=\n',
    '[Install]\n#WantedBy=m.target\n',
    '[Install]\nDefaultInstance=i\nWantedBy=m.target\n',
  ],
  ...['[Install]\n# c \\\nWantedBy=m.target\n', '[Install]\nRequiredBy=\\\n m.target\n'],
);
const text = install.map((part) => `[Unit]\nDescription=x\n${part}`);
const name = fc.constantFrom(...NAMES);
const folder = fc.constantFrom(...FOLDERS);
const unitFile = fc
  .record({ folder, name, content: fc.oneof({ weight: 6, arbitrary: text }, fc.constantFrom('', '->/dev/null')) })
  .map((one): Tree => ({ [`${one.folder}/${one.name}`]: one.content }));
const wantLink = fc
  .record({ folder, name, kind: fc.constantFrom('wants', 'requires'), instance: fc.constantFrom('i', 'j') })
  .map(({ folder: at, name: unit, kind, instance }): Tree => {
    return { [`${at}/m.target.${kind}/${unit.replace('@.', `@${instance}.`)}`]: `->../${unit}` };
  });
const aliasLink = fc
  .record({ folder, name: fc.constantFrom('x.service', 'y.service'), target: fc.constantFrom('a.service') })
  .map((one): Tree => ({
    [`${one.folder}/${one.name}`]: `->${one.target}`,
    [`${one.folder}/${one.target}`]: '[Unit]\n[Install]\nAlias=x.service\n',
  }));
const linked = fc
  .constantFrom(CONFIG, RUNTIME)
  .map((at): Tree => ({ 'srv/l.service': '[Service]\n', [`${at}/l.service`]: '->../../../srv/l.service' }));

withSystemctl('states of unit files', () => {
  it('are those that systemctl lists', async () => {
    const part = fc.oneof({ weight: 5, arbitrary: unitFile }, { weight: 3, arbitrary: wantLink }, aliasLink, linked);
    const tree = fc.array(part, { minLength: 1, maxLength: 7 }).map((parts): Tree => Object.assign({}, ...parts));
    await fc.assert(
      fc.asyncProperty(tree, async (files) => {
        const at = plant(files);
        // It fails where there is none.
        const args = [`--root=${at}`, 'list-unit-files', '--no-legend', '--no-pager'];
        const theirs = spawnSync(SYSTEMCTL, args, { encoding: 'utf8' })
          .stdout.split('\n')
          .filter(Boolean)
          .map((line) => line.trim().split(/\s+/))
          .map(([id, state]) => [id, state] as const);
        const ours = (await unitsOf(at)).map(({ id, unit_file_state }) => [id, unit_file_state] as const);
        expect(new Map(ours)).toEqual(new Map(theirs));
      }),
      { numRuns: 60, seed: 20_261_201 },
    );
  });
});

/** Descriptions and users, with what continues lines, comments between, and drop-ins. */
const value = fc.constantFrom(
  'one',
  'a b',
  'two \\\n  more',
  'x\\\n# in\\\n y',
  'x \\\n;in\n y',
  '',
  'a=b',
  '"q"',
  'ünï',
  'end \\\\',
  't\t# no',
);
const assignment = fc.oneof(
  fc
    .tuple(fc.constantFrom('Description=', 'Description = ', '  Description=', '#Description=', ';Description='), value)
    .map((both) => both.join('')),
  fc.constantFrom('# c \\', '', ' [Unit] ', '[Unit]', '[X-Other]', '[Service]', 'garbage', ' # c', 'Description'),
);
const body = fc.array(assignment, { maxLength: 6 }).map((lines) => `[Unit]\n${lines.join('\n')}\n`);
const dropIns = fc.dictionary(fc.constantFrom('0.conf', 'b.conf', 'a.conf', 'x.other'), body, { maxKeys: 3 });

withSystemd('descriptions of units', () => {
  it('are those that systemd loads', async () => {
    const COUNT = 40;
    const units = fc.sample(fc.tuple(body, dropIns), { numRuns: COUNT, seed: 20_261_201 });
    const bare = '[Unit]\nDefaultDependencies=no\n';
    const wants = units.map((_unit, index) => `Wants=u${index}.service\n`).join('');
    const files: Record<string, string> = { 'all.target': bare + wants, 'basic.target': bare, 'shutdown.target': bare };
    for (const [index, [main, drops]] of units.entries()) {
      files[`u${index}.service`] = `${main}\n[Service]\nExecStart=/bin/true\n`;
      for (const [drop, content] of Object.entries(drops)) files[`u${index}.service.d/${drop}`] = content;
    }
    const at = plant(
      Object.fromEntries(Object.entries(files).map(([path, content]) => [`${VENDOR}/${path}`, content])),
    );
    const runtime = join(at, 'runtime');
    mkdirSync(runtime);
    chownSync(runtime, 65_534, 65_534);
    const { stdout } = spawnSync(SYSTEMD, ['--test', '--user', '--unit=all.target', '--no-pager'], {
      encoding: 'utf8',
      uid: 65_534,
      gid: 65_534,
      env: { SYSTEMD_UNIT_PATH: join(at, VENDOR), XDG_RUNTIME_DIR: runtime, HOME: runtime, LC_ALL: 'C.UTF-8' },
      maxBuffer: 64 * 1024 * 1024,
    });
    const loaded = [...stdout.matchAll(/-> Unit (u\d+\.service):\n\t+Description: (.*)$/gm)];
    const theirs = new Map(loaded.map(([, id, description]) => [id, description]));
    expect(theirs.size).toBe(COUNT);
    const ours = (await unitsOf(at)).filter(({ id }) => theirs.has(String(id)));
    // systemd shows the name where there is no description.
    expect(new Map(ours.map(({ id, description }) => [id, description === '' ? id : description]))).toEqual(theirs);
  });
});
