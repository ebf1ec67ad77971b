import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { build } from 'esbuild';

test('bundles for a browser with nothing of Node, and without the schemas of the contract', async () => {
  const { errors, metafile } = await build({
    entryPoints: [fileURLToPath(new URL('index.js', import.meta.url))],
    bundle: true,
    platform: 'browser',
    format: 'esm',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  expect(errors).toEqual([]);
  const inputs = Object.keys(metafile.inputs);
  expect(
    inputs.filter((path) => !/api-client\/dist\/[\w-]+\.js$/.test(path) && !/^dist\/[\w-]+\.js$/.test(path)),
  ).toEqual([]);
  expect(inputs.length).toBeGreaterThan(5);
});
