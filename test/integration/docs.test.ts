import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { generateSigningJwks, mintOperatorToken } from '@muster/identity';
import { remoteWriteFaults, remoteWriteFields } from '@muster/remote-write';
import { defineConfig, loadConfig, type ConfigResult, type Env } from '@muster/runtime';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const settings = read('docs/settings.md');

/** `services/NAME`, and the heading under which its settings are described. */
const PROGRAMS = {
  gateway: 'Gateway',
  query: 'Query service',
  command: 'Command service',
  api: 'API',
  telemetry: 'Telemetry service',
  agent: 'Agent',
} as const;

interface Setting {
  readonly name: string;
  /** The default in backticks; undefined where the table describes it in words. */
  readonly literal: string | undefined;
}

/** The settings in the table under a heading. */
function described(heading: string): Setting[] {
  const [, section = ''] = settings.split(`\n## ${heading}\n`);
  const rows = section.split(/\n##/, 1)[0]!.matchAll(/^\| `(MUSTER_\w+)` +\| ([^|]*)\|/gm);
  return [...rows].map(([, name = '', value = '']) => ({ name, literal: /^`(.*)`$/.exec(value.trim())?.[1] }));
}

/** The variables that fields of a configuration read, its groups of common fields included. */
function defined(path: string): string[] {
  const source = read(path);
  return [source, ...groupsIn(source)].flatMap((text) =>
    [...text.matchAll(/^\s+\w+: field\.\w+\(\s*'(MUSTER_\w+)'/gm)].map(([, name = '']) => name),
  );
}

/** The sources of the groups that are spread into this one, and of those within them. */
function groupsIn(source: string): string[] {
  return [...source.matchAll(/^\s+\.\.\.(\w+Fields),/gm)].flatMap(([, group = '']) => {
    const text = commonFields(group);
    return [text, ...groupsIn(text)];
  });
}

/** The source of one group, such as `serviceFields`. */
function commonFields(group: string): string {
  const [, after = ''] = read('shared/service-base/src/common-fields.ts').split(`export const ${group} = `);
  return after.split(/^\}/m, 1)[0] ?? '';
}

const common = described('All services').map(({ name }) => name);
const program = defined('shared/runtime/src/run-program.ts');

describe('docs/settings.md', () => {
  test.each(Object.entries(PROGRAMS))('describes the settings of %s, all and no others', (name, heading) => {
    const all = [...program, ...defined(`services/${name}/src/config.ts`)];
    expect(all.length).toBeGreaterThan(program.length);
    const own = described(heading).map((setting) => setting.name);
    // The agent has the settings of every program; services also have those of the brokers and the health port.
    const shared = name === 'agent' ? common.slice(0, program.length) : common;
    expect([...shared, ...own].sort()).toEqual(all.sort());
  });

  test.each(Object.entries(PROGRAMS))('describes the defaults of %s', async (name, heading) => {
    const load = await loaderOf(name);
    const base = await required(name);
    const unset = load(base);
    const settings = [...described('All services'), ...described(heading)].filter(
      (setting) => setting.literal !== undefined && !(setting.name in base) && !program.includes(setting.name),
    );
    expect(settings.length).toBeGreaterThan(3);
    for (const { name: variable, literal } of settings)
      expect([variable, load({ ...base, [variable]: literal })]).toEqual([variable, unset]);
  });

  test('describes the settings of remote write, all and no others, with their defaults', () => {
    const all = described('Remote write');
    expect(all.map(({ name }) => name).sort()).toEqual(defined('shared/remote-write/src/settings.ts').sort());
    const prefix = 'MUSTER_TELEMETRY_';
    const definition = defineConfig({ prefix, fields: remoteWriteFields, check: remoteWriteFaults });
    const unset = loadConfig(definition, {});
    for (const { name, literal } of all.filter((setting) => setting.literal !== undefined))
      expect([name, loadConfig(definition, { [name]: literal })]).toEqual([name, unset]);
  });

  test('describes the defaults of the settings of every program', () => {
    const source = read('shared/runtime/src/run-program.ts');
    for (const { name, literal } of described('All services').filter((setting) => program.includes(setting.name))) {
      const found = new RegExp(`'${name}',.*default: ('?)([\\w]+)\\1`).exec(source)?.[2]?.replaceAll('_', '');
      expect([name, found]).toEqual([name, literal?.replace(/^(\d+)s$/, '$1000')]);
    }
  });

  test('no other document names a setting that does not exist', () => {
    const known = new Set([
      ...Object.keys(PROGRAMS).flatMap((name) => defined(`services/${name}/src/config.ts`)),
      ...program,
      ...[
        'services/cli/src',
        'services/setup/src',
        'deploy/local/src',
        'test/kit',
        'test/compose',
        'test/containers',
        'test/upgrade',
        'shared/records/src',
        'shared/bus/src',
        'shared/remote-write/src',
        'shared/testkit/src',
      ].flatMap((folder) => sources(folder).match(/MUSTER_\w+/g) ?? []),
    ]);
    const unknown = documents().flatMap(([path, text]) =>
      // Prefixes of settings, such as `MUSTER_GATEWAY_…`, are left out.
      (text.match(/MUSTER_[A-Z_]*[A-Z](?![A-Z_])/g) ?? [])
        .filter((name) => !known.has(name) && !known.has(name.replace(/_FILE$/, '')) && name !== 'MUSTER_')
        .map((name) => `${path}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });

  test('every metric in a document exists, with the labels in the document', () => {
    const source = sources('services') + sources('shared');
    const named = documents().flatMap(([, text]) => [...text.matchAll(/`(muster_\w+)(?:\{(\w+)[^}]*\})?`/g)]);
    expect(named.length).toBeGreaterThan(5);
    for (const [, name = '', label] of named) {
      // Those of a listener are named by the service and the listener.
      const [listener] = /_connections(_cut_total)?$/.exec(name) ?? [];
      const written =
        listener === undefined
          ? `'${name}'`
          : { _connections: 'prefix', _connections_cut_total: '`${prefix}_cut_total`' }[listener];
      const [, definition] = source.split(`name: ${written}`);
      expect([name, definition === undefined ? 'missing' : 'exists']).toEqual([name, 'exists']);
      const labels = /^[^}]*?labels: \[([^\]]*)\]/.exec(definition ?? '')?.[1] ?? '';
      if (label !== undefined) expect([name, labels]).toEqual([name, expect.stringContaining(`'${label}'`)]);
    }
  });
});

function documents(): [path: string, text: string][] {
  return ['README.md', ...filesBelow('docs', /\.md$/)].map((path) => [path, read(path)]);
}

/** All sources below a folder, without tests, as one text. */
function sources(folder: string): string {
  return filesBelow(folder, /(?<!\.test|\.d)\.ts$/)
    .map(read)
    .join('\n');
}

function filesBelow(folder: string, form: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => form.test(path) && !/(^|\/)(node_modules|dist)\//.test(path))
    .map((path) => join(folder, path));
}

type Load = (env: Env) => { readonly config: object; readonly warnings: readonly string[] };

/** A program's configuration loader, from its build. */
async function loaderOf(name: string): Promise<Load> {
  const path = join(root, `services/${name}/dist/config.js`);
  const module = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  const load = Object.entries(module).find(([key]) => key.startsWith('load'))?.[1] as (
    env: Env,
  ) => ConfigResult<object>;
  return (env) => {
    const result = load(env);
    if (!result.ok) throw result.error;
    return { config: JSON.parse(JSON.stringify(result.config)) as object, warnings: result.warnings };
  };
}

/** The required settings. */
async function required(name: string): Promise<Record<string, string>> {
  const brokers = { MUSTER_NATS_URL: 'nats://127.0.0.1:4222', MUSTER_REDIS_URL: 'redis://127.0.0.1:6379' };
  if (name === 'agent') return { MUSTER_GATEWAY_URL: 'https://127.0.0.1:8443' };
  if (name === 'api') return { ...brokers, MUSTER_BOOTSTRAP_TOKEN: mintOperatorToken().token };
  const keys = JSON.stringify(await generateSigningJwks());
  if (name === 'command') return { ...brokers, MUSTER_COMMAND_KEYS: keys, MUSTER_COMMAND_KEY_LIST: 'a.b.c' };
  if (name !== 'gateway') return brokers;
  return { ...brokers, MUSTER_AGENT_TOKEN_KEYS: keys, MUSTER_ENROLL_SECRETS: 'default=0123456789abcdef' };
}

describe('docs/map.md', () => {
  const SERVICES = new Set(readdirSync(join(root, 'services')));
  const paths = [...read('docs/map.md').matchAll(/`(@?)([a-z-]+)\/([\w./-]+\.ts)`/g)].map(
    ([, at, name = '', path = '']) =>
      join(at === '@' || !SERVICES.has(name) ? 'shared' : 'services', name, 'src', path),
  );

  test('names only files that exist', () => {
    expect(paths.length).toBeGreaterThan(80);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

test('a link that is named settings leads to them', () => {
  const documents = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  const wrong = documents.flatMap((name) =>
    [...read(`docs/${name}`).matchAll(/\[settings\]\(([^)]*)\)/g)]
      .map(([, address = '']) => `${name}: ${address}`)
      .filter((one) => !/: (?:settings\.md|#)/.test(one)),
  );
  expect(documents.length).toBeGreaterThan(5);
  expect(wrong).toEqual([]);
});
