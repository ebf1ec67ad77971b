import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';

/** What `imports.mjs` exports. */
export interface ImportTable {
  readonly PACKAGES: Readonly<Record<string, readonly string[]>>;
  readonly CROSSING: readonly string[];
  readonly TEST_PACKAGES: readonly string[];
  readonly TEST_FILES: readonly string[];
  readonly DRIVERS: Readonly<Record<string, readonly string[]>>;
  readonly SIMULATED: Readonly<Record<string, readonly string[]>>;
  readonly FLOORS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');

export async function importTable(): Promise<ImportTable> {
  return (await import(join(ROOT, 'imports.mjs'))) as ImportTable;
}

/** One import, type imports included. */
export interface Import {
  /** The importing file, from the root of the project. */
  readonly from: string;
  /** A file of the project for a relative import, else the name of a package. */
  readonly to: string;
}

/** Every import of every TypeScript file below these folders. Tests are left out on request: they may look at anything. */
export function readImports(folders: readonly string[], { tests }: { readonly tests: boolean }): Import[] {
  return folders
    .flatMap((folder) => filesBelow(folder))
    .filter((file) => tests || !/\.(test|contract)\.tsx?$/.test(file))
    .flatMap((from) => requestsOf(from).map((request) => ({ from, to: resolved(from, request) })));
}

/** The same between folders. Imports inside one folder are left out. */
export function betweenFolders(imports: readonly Import[]): Import[] {
  return imports
    .map(({ from, to }) => ({ from: dirname(from), to: /\.tsx?$/.test(to) ? dirname(to) : to }))
    .filter(({ from, to }) => from !== to);
}

/** Groups of two or more that import each other in a circle (strongly connected components, Tarjan 1972). */
export function circles(imports: readonly Import[]): string[][] {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of imports) next.set(from, (next.get(from) ?? new Set()).add(to));
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (node: string): void => {
    index.set(node, index.size);
    low.set(node, index.get(node)!);
    stack.push(node);
    for (const to of next.get(node) ?? []) {
      if (!index.has(to)) visit(to);
      else if (!stack.includes(to)) continue;
      low.set(node, Math.min(low.get(node)!, low.get(to)!));
    }
    if (low.get(node) !== index.get(node)) return;
    const circle = stack.splice(stack.indexOf(node));
    if (circle.length > 1) found.push(circle.sort());
  };
  for (const node of next.keys()) if (!index.has(node)) visit(node);
  return found;
}

function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' || entry.name === 'dist' ? [] : filesBelow(path);
    return /\.tsx?$/.test(path) && !path.endsWith('.d.ts') ? [path] : [];
  });
}

function requestsOf(file: string): string[] {
  const source = readFileSync(join(ROOT, file), 'utf8');
  const { staticImports, staticExports, dynamicImports } = parseSync(file, source).module;
  return [
    ...staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...staticExports.flatMap(({ entries }) => entries.flatMap(({ moduleRequest }) => moduleRequest?.value ?? [])),
    ...dynamicImports.map(({ moduleRequest }) => source.slice(moduleRequest.start + 1, moduleRequest.end - 1)),
    ...[...source.matchAll(/\bimport\('([^']+)'\)\./g)].map(([, request]) => request!),
  ];
}

function resolved(from: string, request: string): string {
  if (!request.startsWith('.')) return request;
  const file = relative('.', normalize(join(dirname(from), request))).replace(/\.js$/, '.ts');
  return existsSync(join(ROOT, `${file}x`)) ? `${file}x` : file;
}
