import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { build } from 'esbuild';

test('bundles for a browser, and checks bodies where there is nothing of Node', async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('index.js', import.meta.url))],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'contract',
    write: false,
    logLevel: 'silent',
  });
  const context = createContext({ TextEncoder, URL });
  const parse = (body: unknown): unknown =>
    runInContext(
      `${outputFiles[0]?.text ?? ''}; JSON.stringify(contract.operations.startQuery.body.safeParse(${JSON.stringify(body)}))`,
      context,
    );
  expect(JSON.parse(String(parse({ sql: 'select 1', timeout: '10s' })))).toMatchObject({
    success: true,
    data: { sql: 'select 1', timeoutMs: 10_000 },
  });
  expect(JSON.parse(String(parse({ sql: 'select 1', selector: 'os in (' })))).toMatchObject({ success: false });
});
