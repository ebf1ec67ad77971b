import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** What Node writes to `NODE_V8_COVERAGE`. A range lies within those before it of its function, and counts in their place. */
interface Written {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[];
    }[];
  }[];
}

export interface FileCoverage {
  readonly package: string;
  /** Below the package, as it was built. */
  readonly file: string;
  readonly lines: number;
  readonly covered: number;
}

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const NO_PRODUCT = /\.(test|contract)\.js$|\/testing\//;

/** Folder → what of its sources the world replaces or never runs: the list by which lint decides what simulated code may do. */
async function simulated(): Promise<Readonly<Record<string, readonly string[]>>> {
  const { SIMULATED } = (await import(pathToFileURL(join(ROOT, 'imports.mjs')).href)) as {
    readonly SIMULATED: Readonly<Record<string, readonly string[]>>;
  };
  return SIMULATED;
}

/**
 * How many lines of the simulated packages have run, by file, from what processes wrote to `folder`: lines of the built code that are
 * neither empty nor a comment. One that ran in part counts; files that nobody loaded count too.
 */
export async function coveredLines(folder: string): Promise<readonly FileCoverage[]> {
  const ran = charactersThatRan(folder);
  const found: FileCoverage[] = [];
  for (const [name, replaced] of Object.entries(await simulated())) {
    const dist = join(ROOT, name, 'dist');
    const isReplaced = (file: string): boolean =>
      replaced.some((source) => `src/${file}`.startsWith(source.replace(/\.ts$/, '.js')));
    for (const file of readdirSync(dist, { recursive: true, encoding: 'utf8' }).sort()) {
      if (!file.endsWith('.js') || NO_PRODUCT.test(`/${file}`) || isReplaced(file)) continue;
      const path = join(dist, file);
      found.push({ package: name, file, ...count(readFileSync(path, 'utf8'), ran.get(pathToFileURL(path).href)) });
    }
  }
  return found;
}

/** By the address of a module: which characters of it have run in any process. */
function charactersThatRan(folder: string): ReadonlyMap<string, Uint8Array> {
  const ran = new Map<string, Uint8Array>();
  for (const name of readdirSync(folder)) {
    const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Written;
    for (const { url, functions } of result) {
      if (!url.startsWith(pathToFileURL(ROOT).href) || url.includes('/node_modules/')) continue;
      const length = functions.reduce((most, { ranges: [whole] }) => Math.max(most, whole?.endOffset ?? 0), 0);
      const here = new Uint8Array(length);
      for (const { ranges } of functions)
        for (const { startOffset, endOffset, count: times } of ranges)
          here.fill(times > 0 ? 1 : 0, startOffset, endOffset);
      const known = ran.get(url) ?? here;
      ran.set(
        url,
        known.map((one, at) => one | (here[at] ?? 0)),
      );
    }
  }
  return ran;
}

function count(text: string, ran: Uint8Array | undefined): Pick<FileCoverage, 'lines' | 'covered'> {
  let [lines, covered, at, isComment] = [0, 0, 0, false];
  for (const line of text.split('\n')) {
    const begin = at + line.length - line.trimStart().length;
    const end = at + line.trimEnd().length;
    at += line.length + 1;
    const code = line.trim();
    isComment ||= code.startsWith('/*');
    const isCode = !isComment && code !== '' && !code.startsWith('//');
    if (code.endsWith('*/')) isComment = false;
    if (!isCode) continue;
    lines += 1;
    if (ran?.subarray(begin, end).includes(1) === true) covered += 1;
  }
  return { lines, covered };
}
