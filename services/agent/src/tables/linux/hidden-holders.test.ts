import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

/**
 * Processes that do not show the agent what they hold: here, those of root to an agent that has no rights. Root itself meets them where a
 * process has a capability that the agent was not given.
 */
const NOBODY = 65_534;
const asRoot = process.getuid?.() === 0 ? describe : describe.skip;
const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url));

const NETWORK = `l.address NOT LIKE '127.%' AND l.address NOT IN ('::1', '')`;

interface Found {
  readonly id: string;
  readonly outcome: string;
  readonly evidence?: readonly Readonly<Record<string, unknown>>[];
}

asRoot('sockets of processes that do not show what they hold', () => {
  let server: Server;
  let folder: string;
  let port: number;
  let freePort: number;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'muster-hidden-'));
    chmodSync(folder, 0o755);
    server = createServer().listen(0, '0.0.0.0');
    const other = createServer().listen(0, '0.0.0.0');
    await Promise.all([once(server, 'listening'), once(other, 'listening')]);
    port = (server.address() as AddressInfo).port;
    freePort = (other.address() as AddressInfo).port;
    await new Promise((resolve) => other.close(resolve));
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  /** What an agent without rights says of checks in which a row means fail. */
  function ask(checks: Readonly<Record<string, string>>): Record<string, Found> {
    const file = join(folder, 'pack.yaml');
    const texts = Object.entries(checks).map(
      ([id, sql]) =>
        `  - { id: ${id}, title: ${id}, severity: low, platforms: [linux], row_means: fail, sql: ${JSON.stringify(sql)} }\n`,
    );
    writeFileSync(file, `kind: muster/pack\nformat: 1\nid: p\nversion: 1.0.0\ntitle: P\nchecks:\n${texts.join('')}`);
    const { stdout, stderr } = spawnSync(process.execPath, [MAIN, 'check', file, '--output', 'json'], {
      ...{ uid: NOBODY, gid: NOBODY, encoding: 'utf8', cwd: '/' },
    });
    if (stdout === '') throw new Error(stderr);
    return Object.fromEntries((JSON.parse(stdout) as Found[]).map((one) => [one.id, one]));
  }

  const withNames = (at: number): string =>
    `SELECT p.name, l.port, l.address, l.pid FROM listening_ports AS l LEFT JOIN processes AS p ON p.pid = l.pid WHERE l.port = ${at} AND ${NETWORK}`;

  test('nobody listens at a port, though some do not show what they hold; who listens is told without a name', () => {
    const found = ask({
      free: withNames(freePort),
      taken: withNames(port),
      'by-name': `SELECT 1 FROM listening_ports AS l JOIN processes AS p ON p.pid = l.pid WHERE l.port = ${port} AND p.name = 'no such program'`,
      'of-one': `SELECT fd FROM process_open_sockets WHERE pid = ${process.pid} AND local_port = ${freePort}`,
    });
    expect(found['free']).toMatchObject({ outcome: 'pass' });
    expect(found['taken']).toMatchObject({ outcome: 'fail', evidence: [{ port, name: null, pid: -1 }] });
    // Whose it is matters here, and nobody knows.
    expect(found['by-name']?.outcome).toBe('error');
    expect(found['of-one']?.outcome).toBe('error');
  });

  test('ports of another network namespace are seen, whose processes do not show which one it is', async () => {
    const script = `require('node:net').createServer().listen(${freePort}, '0.0.0.0', () => console.log('listens'))`;
    const child = spawn('unshare', ['-n', process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(createInterface({ input: child.stdout }), 'line');
      const found = ask({
        taken: withNames(freePort),
        named: `SELECT net_namespace FROM listening_ports WHERE port = ${freePort} AND net_namespace = '1'`,
      });
      expect(found['taken']?.outcome).toBe('fail');
      expect(found['named']?.outcome).toBe('error');
    } finally {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    }
  });
});
