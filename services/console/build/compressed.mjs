import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const TEXT = /\.(js|css|svg|html|json)$/;
const SMALL_BYTES = 1_024;

/** A plugin of Vite: writes `x.br` and `x.gz` beside each text file, which the API serves by `Accept-Encoding`. */
export function compressed() {
  let folder = '';
  return {
    name: 'compressed',
    configResolved(config) {
      folder = join(config.root, config.build.outDir);
    },
    async closeBundle() {
      for (const file of await readdir(folder, { recursive: true }).catch(() => [])) {
        // The server writes a nonce into the page itself.
        if (!TEXT.test(file) || file === 'index.html') continue;
        const bytes = await readFile(join(folder, file));
        if (bytes.length < SMALL_BYTES) continue;
        const params = { [constants.BROTLI_PARAM_QUALITY]: 9 };
        await writeFile(join(folder, `${file}.br`), brotliCompressSync(bytes, { params }));
        await writeFile(join(folder, `${file}.gz`), gzipSync(bytes, { level: 9 }));
      }
    },
  };
}
