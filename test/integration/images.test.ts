import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parse } from 'yaml';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const DOCKERFILE = readFileSync(join(ROOT, 'deploy/images/Dockerfile'), 'utf8');
const SERVICES = ['gateway', 'query', 'command', 'telemetry', 'posture', 'api', 'setup'];
const NAMES = [...SERVICES, 'agent', 'cli', 'simulator'];
const LIMIT_BYTES = 120 * 1024 ** 2;

interface Bundle {
  readonly name: string;
  readonly folder: string;
  readonly bytes: number;
  readonly inputs: readonly string[];
  readonly packages: readonly string[];
}

interface Sbom {
  readonly specVersion: string;
  readonly components: readonly { readonly hashes?: readonly { readonly content: string }[]; readonly purl: string }[];
}

/** As a Node of this machine loads them. */
const ABI = process.versions.modules;
let out: string;
let bundles: ReadonlyMap<string, Bundle>;

beforeAll(() => {
  out = mkdtempSync(join(tmpdir(), 'muster-images-'));
  const args = ['deploy/images/bundle.mjs', '--json', '--abi', ABI, '--out', out];
  const lines = execFileSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' }).trim().split('\n');
  bundles = new Map(lines.map((line) => JSON.parse(line) as Bundle).map((bundle) => [bundle.name, bundle]));
});
afterAll(() => rmSync(out, { recursive: true, force: true }));

const bundleOf = (name: string): Bundle => bundles.get(name)!;

describe('what is in an image', () => {
  test('every program has a target in the Dockerfile, and nothing else has', () => {
    const targets = [...DOCKERFILE.matchAll(/^FROM program AS (\S+)$/gm)].map(([, target]) => target);
    expect(targets).toEqual([...bundles.keys()]);
    expect(targets).toEqual(NAMES);
    for (const name of NAMES) expect(DOCKERFILE).toContain(`COPY --from=build /out/${name} /app`);
  });

  test.each(NAMES)('%s: no development dependency, and less than 120 MB', (name) => {
    const { inputs, packages, bytes } = bundleOf(name);
    const foreign = ['testcontainers', 'jest', 'typescript', 'esbuild', 'fast-check', 'supertest', 'oxc-parser'];
    expect(packages.filter((purl) => foreign.some((dev) => purl.startsWith(`pkg:npm/${dev}@`)))).toEqual([]);
    // The simulator is a test tool itself. Of the services no test code is inside.
    if (name !== 'simulator') {
      expect(
        inputs.filter((path) => /\/testing\/|shared\/testkit|deploy\/local|\.test\.js$|^test\//.test(path)),
      ).toEqual([]);
    }
    expect(bytes).toBeLessThan(LIMIT_BYTES);
  });

  test('only the native module of one platform', () => {
    const modules = join(bundleOf('gateway').folder, 'node_modules');
    const natives = readdirSync(modules, { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('.node'),
    );
    const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
    expect(natives.filter((path) => path.includes('uws_'))).toEqual([`uWebSockets.js/uws_linux_${arch}_${ABI}.node`]);
    expect(natives).toHaveLength(2);
  });

  test.each(NAMES)('%s: every file that a module looks for beside itself is there', (name) => {
    const folder = join(bundleOf(name).folder, 'dist/bin');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.js'));
    const missing = files.flatMap((file) => {
      const named = readFileSync(join(folder, file), 'utf8').matchAll(
        /new URL\(\s*(["'`])([^"'`]+)\1,\s*import\.meta\.url\)/g,
      );
      return [...named]
        .map(([, , path]) => path ?? '')
        .filter((path) => !existsSync(new URL(path, pathToFileURL(join(folder, file)))))
        .map((path) => `${file}: ${path}`);
    });
    expect(missing).toEqual([]);
  });

  test('the list of packages says what is inside, with the hashes that npm checked', () => {
    for (const { folder, packages, inputs } of bundles.values()) {
      const sbom = JSON.parse(readFileSync(join(folder, 'sbom.cdx.json'), 'utf8')) as Sbom;
      expect(sbom.specVersion).toBe('1.6');
      expect(sbom.components.filter(({ hashes }) => hashes?.[0]?.content.length !== 128)).toEqual([]);
      for (const path of inputs.filter((one) => one.includes('node_modules/'))) {
        const name = path.slice(path.lastIndexOf('node_modules/') + 13).split('/', path.includes('/@') ? 2 : 1);
        expect(packages.some((purl) => purl.includes(`/${name.join('/').replace('@', '%40')}@`))).toBe(true);
      }
    }
  });
});

test('two builds of one commit give the same bytes', () => {
  const again = mkdtempSync(join(tmpdir(), 'muster-images-again-'));
  try {
    const args = ['deploy/images/bundle.mjs', 'query', 'agent', '--abi', ABI, '--out', again];
    execFileSync(process.execPath, args, { cwd: ROOT });
    for (const name of ['query', 'agent']) expect(hashes(join(again, name))).toEqual(hashes(bundleOf(name).folder));
  } finally {
    rmSync(again, { recursive: true });
  }
});

test('the release builds every program, as the version that manifests name', () => {
  const text = readFileSync(join(ROOT, '.github/workflows/release.yml'), 'utf8');
  const { image } = (parse(text, { merge: true }) as { jobs: { image: Job } }).jobs;
  expect(image.strategy.matrix.program).toEqual(NAMES);
  const [scanned, pushed] = image.steps.filter(({ uses }) => uses?.startsWith('docker/build-push-action'));
  const at = (found: Step | undefined): number => image.steps.indexOf(found!);
  const scan = image.steps.find(({ uses }) => uses?.startsWith('aquasecurity/trivy-action'));
  expect([at(scanned), at(scan), at(pushed)]).toEqual([at(scanned), at(scanned) + 1, at(scanned) + 2]);
  expect(scanned?.with).toMatchObject({ load: true, 'build-args': pushed?.with?.['build-args'] });
  expect(pushed?.with).toMatchObject({ push: true, tags: expect.stringMatching(/outputs\.VERSION \}\}$/) });
});

interface Step {
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly strategy: { readonly matrix: { readonly program: readonly string[] } };
  readonly steps: readonly Step[];
}

/** Of each file of a folder, by path. */
function hashes(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).toSorted();
  const hashOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
  return Object.fromEntries(paths.map((path) => [path.slice(folder.length), hashOf(path)]));
}

describe('bundles run', () => {
  const start = (name: string, ...args: readonly string[]): { code: number; output: string } => {
    try {
      const main = join(bundleOf(name).folder, 'dist/bin/main.js');
      const options = {
        cwd: '/',
        env: { PATH: '/nowhere' },
        encoding: 'utf8',
        stdio: 'pipe',
        timeout: 120_000,
      } as const;
      return { code: 0, output: execFileSync(process.execPath, [main, ...args], options) };
    } catch (error) {
      const { status, stderr } = error as { status: number; stderr: string };
      return { code: status, output: stderr };
    }
  };

  test.each(SERVICES)('%s reads its configuration', (name) => {
    const { code, output } = start(name);
    expect(output).toContain('MUSTER_NATS_URL is not set');
    expect(code).toBe(2);
  });

  test('the agent answers a statement with its worker, the CLI makes keys', () => {
    expect(start('agent', 'sql', 'SELECT 6 * 7 AS answer', '--output', 'json').output).toContain('42');
    expect(start('cli', 'version').output).toMatch(/^muster \d/);
    expect(start('cli', 'keys', 'operator-token').output).toMatch(/^mst_/);
  });

  test('the native transport loads from the gateway’s folder', () => {
    const { folder } = bundleOf('gateway');
    const ask = `import(${JSON.stringify(join(folder, 'node_modules/uWebSockets.js/uws.js'))}).then((uws) => console.log(typeof uws.default.App))`;
    const koffi = `import(${JSON.stringify(join(folder, 'node_modules/koffi/index.js'))}).then((koffi) => console.log(typeof koffi.default.load(null).func))`;
    for (const text of [ask, koffi]) {
      expect(execFileSync(process.execPath, ['-e', text], { encoding: 'utf8' }).trim()).toBe('function');
    }
  });
});
