import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { ApiFixture } from '../testing/api-fixture.js';
import { readConsoleFiles } from './console-files.js';

const SCRIPT = 'console.log(1)';
const INDEX =
  '<!doctype html><meta property="csp-nonce" nonce="__MUSTER_CSP_NONCE__"><script src="/assets/a-1.js"></script>';

let folder: string;
let api: ApiFixture;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'muster-console-'));
  mkdirSync(join(folder, 'web/assets'), { recursive: true });
  writeFileSync(join(folder, 'secret.txt'), 'secret');
  writeFileSync(join(folder, 'web/index.html'), INDEX);
  writeFileSync(join(folder, 'web/icon.svg'), '<svg/>');
  writeFileSync(join(folder, 'web/assets/a-1.js'), SCRIPT);
  writeFileSync(join(folder, 'web/assets/a-1.js.br'), brotliCompressSync(SCRIPT));
  writeFileSync(join(folder, 'web/assets/a-1.js.gz'), gzipSync(SCRIPT));
  symlinkSync(join(folder, 'secret.txt'), join(folder, 'web/link.txt'));
  api = await ApiFixture.start({ consoleFiles: readConsoleFiles(join(folder, 'web')) });
});
afterAll(async () => {
  await api.stop();
  rmSync(folder, { recursive: true });
});

const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
  fetch(api.url + path, { method, headers });

/** With the path as it is: `fetch` would take the dots out. */
function raw(path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: api.port, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => (text += part.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on('error', reject).end();
  });
}

describe('the console', () => {
  test('is index.html under / and under every page, with a policy that runs nothing that stands in the page', async () => {
    const nonces = new Set<string>();
    for (const path of ['/', '/index.html', '/fleet', '/ask/q01kb8z4j3m9f0q2x7c5t1d6h8v', '/sign-in?error=role']) {
      const response = await get(path);
      const text = await response.text();
      const nonce = /nonce="([\w-]{22})"/.exec(text)?.[1] ?? '';
      nonces.add(nonce);
      expect([path, response.status, response.headers.get('cache-control')]).toEqual([path, 200, 'no-cache']);
      expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
      const policy = response.headers.get('content-security-policy') ?? '';
      expect(policy).toContain(`style-src 'self' 'nonce-${nonce}'`);
      expect(policy).toMatch(/^default-src 'none'; script-src 'self';/);
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|blob:|\*/);
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    }
    expect(nonces.size).toBe(5);
  });

  test('keeps files with a hash for a year, compressed as the browser takes it', async () => {
    for (const [accepted, encoding] of [
      ['gzip, deflate, br', 'br'],
      ['gzip', 'gzip'],
      ['identity', null],
      ['', null],
    ] as const) {
      const response = await get('/assets/a-1.js', { 'accept-encoding': accepted });
      expect([accepted, response.headers.get('content-encoding'), await response.text()]).toEqual([
        accepted,
        encoding,
        SCRIPT,
      ]);
      expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      expect(response.headers.get('vary')).toContain('Accept-Encoding');
    }
    const icon = await get('/icon.svg');
    expect([icon.headers.get('cache-control'), icon.headers.get('content-type')]).toEqual([
      'no-cache',
      'image/svg+xml',
    ]);
    const again = await get('/icon.svg', { 'if-none-match': icon.headers.get('etag') ?? '' });
    expect([again.status, await again.text()]).toEqual([304, '']);
    const head = await get('/assets/a-1.js', {}, 'HEAD');
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  test('serves nothing that is not one of its files, and no page in the place of a missing file', async () => {
    for (const path of [
      '/assets/missing.js',
      '/assets/missing',
      '/missing.js',
      '/link.txt',
      '/assets/a-1.js.br',
      '/v1',
      '/v1/missing',
      '/problems/x/y',
    ]) {
      const response = await get(path);
      expect([path, response.status, response.headers.get('content-type')]).toEqual([
        path,
        404,
        'application/problem+json; charset=utf-8',
      ]);
    }
    for (const path of [
      '/../secret.txt',
      '/assets/../../secret.txt',
      '/%2e%2e/secret.txt',
      '/..%2fsecret.txt',
      '/assets/..%5c..%5csecret.txt',
      '//secret.txt',
      '/%00.html',
    ]) {
      const { status, text } = await raw(path);
      expect([path, status, text.includes('secret') && !text.includes('"code"')]).toEqual([
        path,
        expect.any(Number),
        false,
      ]);
      expect(status).toBeGreaterThanOrEqual(400);
    }
    expect((await get('/fleet', {}, 'POST')).status).toBe(404);
  });

  test('leaves the answers of the API and their headers as they are', async () => {
    const response = await get('/v1/session/ways');
    expect(response.headers.get('content-security-policy')).toBe("default-src 'none';frame-ancestors 'none'");
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect((await get('/v1/me')).status).toBe(401);
    expect((await get('/problems/not_found')).status).toBe(200);
  });
});

test('without its files there is no console', async () => {
  const plain = await ApiFixture.start();
  expect((await fetch(plain.url)).status).toBe(404);
  await plain.stop();
});

test('a folder that is no built console is refused, with what to do', () => {
  expect(() => readConsoleFiles(join(folder, 'web/assets'))).toThrow('build the console first');
  expect(() => readConsoleFiles(join(folder, 'nothing'))).toThrow('ENOENT');
});
