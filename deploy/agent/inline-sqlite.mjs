import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const SQLITE = join(ROOT, 'node_modules/@sqlite.org/sqlite-wasm/dist');

/** A plugin of esbuild: SQLite's code, which its package reads from a file beside itself, is part of the bundle. */
export const inlineSqlite = {
  name: 'inline-sqlite',
  setup(bundler) {
    bundler.onResolve({ filter: /^@sqlite\.org\/sqlite-wasm$/ }, ({ path }) => ({ path, namespace: 'sqlite' }));
    bundler.onLoad({ filter: /.*/, namespace: 'sqlite' }, () => ({ contents: sqliteModule(), resolveDir: ROOT }));
  },
};

function sqliteModule() {
  const wasm = brotliCompressSync(readFileSync(join(SQLITE, 'sqlite3.wasm'))).toString('base64');
  return `
    import { brotliDecompressSync } from 'node:zlib';
    import init from ${JSON.stringify(join(SQLITE, 'node.mjs'))};
    export default () => init({ wasmBinary: brotliDecompressSync(Buffer.from('${wasm}', 'base64')) });`;
}
