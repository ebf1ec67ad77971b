import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { build } from 'esbuild';

test('bundles for a browser, and reads a pack where there is nothing of Node', async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('index.js', import.meta.url))],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'packs',
    write: false,
    logLevel: 'silent',
  });
  const context = createContext({ TextEncoder, URL });
  const read = runInContext(
    `${outputFiles[0]?.text ?? ''}; JSON.stringify(packs.readPack('kind: muster/pack\\nid: A\\n').faults.map(({ line, path }) => line + path))`,
    context,
  );
  expect(JSON.parse(String(read))).toContain('2id');
});
