import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LinuxTables } from '../../table-fixture.js';

// A stand-in for Docker, in a thread of its own: tables are read synchronously. Its answers have the shape of the Engine API's; no
// engine was at hand.

const ID = 'a'.repeat(64);
const CONTAINER = {
  ...{
    Id: ID,
    Names: ['/web'],
    Image: 'nginx:1',
    ImageID: `sha256:${'b'.repeat(64)}`,
    Command: 'nginx -g x',
    Created: 1_700_000_000,
  },
  ...{ State: 'running', Status: 'Up 2 hours', Labels: { tier: 'front' } },
  Ports: [
    { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8_080, Type: 'tcp' },
    { PrivatePort: 443, Type: 'tcp' },
  ],
  Mounts: [{ Type: 'bind', Source: '/srv', Destination: '/data', Mode: 'rw', RW: true, Propagation: 'rprivate' }],
  NetworkSettings: {
    Networks: {
      bridge: { NetworkID: 'n1', IPAddress: '172.17.0.2', IPPrefixLen: 16, MacAddress: '02:42:ac:11:00:02' },
    },
  },
};
const DETAILS = {
  ...{ Path: 'nginx', State: { Pid: 4_711, StartedAt: '2026-01-01T00:00:00Z', FinishedAt: '0001-01-01T00:00:00Z' } },
  Config: { Entrypoint: ['/entry.sh', '-x'], Env: ['PASSWORD=a=b', 'EMPTY=', 'BARE'] },
  HostConfig: { Privileged: true, SecurityOpt: ['no-new-privileges'], ReadonlyRootfs: false },
};
const ANSWERS: Readonly<Record<string, unknown>> = {
  '/containers/json?all=1': [CONTAINER, 7, { Id: '../../images' }],
  [`/containers/${ID}/json`]: DETAILS,
  '/images/json': [
    { Id: 'sha256:cc', Created: 1, Size: 2 ** 40, RepoTags: ['a:1', 'a:2'] },
    { Id: 'dd', RepoTags: null },
  ],
  '/networks': [
    {
      Id: 'n1',
      Name: 'bridge',
      Driver: 'bridge',
      Created: '2026-01-01T00:00:00.5Z',
      IPAM: { Config: [{ Subnet: '172.17.0.0/16' }] },
    },
  ],
  '/volumes': { Volumes: [{ Name: 'v', Driver: 'local', Mountpoint: '/var/lib/docker/volumes/v/_data' }] },
  '/version': { Version: '27.0', ApiVersion: '1.46' },
  '/info': { ID: 'x', Containers: 1, MemoryLimit: true, HttpProxy: 'http://u:p@proxy:3128', OperatingSystem: 'Debian' },
};

const SERVER = `
const { createServer } = require('node:http');
const { workerData: { path, answers, mode }, parentPort } = require('node:worker_threads');
createServer((request, response) => {
  if (mode === 'silent') return;
  if (mode === 'endless') { const more = () => { while (response.write('x'.repeat(65536))); }; response.on('drain', more); return more(); }
  if (mode === 'garbage') return response.end('{"Id":');
  const answer = answers[request.url];
  response.statusCode = answer === undefined ? 404 : 200;
  response.end(JSON.stringify(answer ?? {}));
}).listen(path, () => parentPort.postMessage('up'));
`;

describe('tables of Docker', () => {
  let root: string;
  let tables: LinuxTables;
  let server: Worker | undefined;
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'mdk-'));
    mkdirSync(join(root, 'var/run'), { recursive: true });
    tables = await LinuxTables.open(root);
  });
  afterEach(async () => {
    tables.close();
    await server?.terminate();
    rmSync(root, { recursive: true });
  });

  async function serve(mode = 'answers'): Promise<void> {
    const path = join(root, 'var/run/docker.sock');
    server = new Worker(SERVER, { eval: true, workerData: { path, answers: ANSWERS, mode } });
    await once(server, 'message');
  }
  const rows = (sql: string) => tables.query(sql).rows;

  it('have what its API says', async () => {
    await serve();
    expect(rows('SELECT * FROM docker_containers')[0]).toMatchObject({
      ...{
        id: ID,
        name: '/web',
        image_id: 'b'.repeat(64),
        pid: 4_711,
        path: 'nginx',
        privileged: 1,
        readonly_rootfs: 0,
      },
      ...{
        config_entrypoint: '/entry.sh, -x',
        security_options: 'no-new-privileges',
        env_variables: null,
        created: 1_700_000_000,
      },
    });
    expect(rows('SELECT port, host_ip, host_port FROM docker_container_ports')).toEqual([
      { port: 80, host_ip: '0.0.0.0', host_port: 8_080 },
      { port: 443, host_ip: '', host_port: 0 },
    ]);
    expect(rows('SELECT * FROM docker_container_labels')).toEqual([{ id: ID, key: 'tier', value: 'front' }]);
    expect(rows('SELECT source, destination, rw FROM docker_container_mounts')).toEqual([
      { source: '/srv', destination: '/data', rw: 1 },
    ]);
    expect(rows('SELECT name, ip_address, ip_prefix_len FROM docker_container_networks')).toEqual([
      { name: 'bridge', ip_address: '172.17.0.2', ip_prefix_len: 16 },
    ]);
    expect(rows('SELECT key, value FROM docker_container_envs')).toEqual([
      { key: 'PASSWORD', value: 'a=b' },
      { key: 'EMPTY', value: '' },
      { key: 'BARE', value: '' },
    ]);
    expect(rows('SELECT id, size_bytes, tags FROM docker_images')).toEqual([
      { id: 'cc', size_bytes: 2 ** 40, tags: 'a:1,a:2' },
      { id: 'dd', size_bytes: null, tags: '' },
    ]);
    expect(rows('SELECT id, created, subnet FROM docker_networks')).toEqual([
      { id: 'n1', created: 1_767_225_600, subnet: '172.17.0.0/16' },
    ]);
    expect(rows('SELECT name, mount_point FROM docker_volumes')).toHaveLength(1);
    expect(rows('SELECT version, api_version FROM docker_version')).toEqual([{ version: '27.0', api_version: '1.46' }]);
    expect(rows('SELECT containers, memory_limit, http_proxy FROM docker_info')).toEqual([
      { containers: 1, memory_limit: 1, http_proxy: 'http://***@proxy:3128' },
    ]);
  });

  it('are empty where there is no socket, or another file in its place', () => {
    expect(tables.query('SELECT * FROM docker_containers')).toMatchObject({
      rows: [],
      result: { ok: true, warnings: [] },
    });
    writeFileSync(join(root, 'var/run/docker.sock'), '');
    expect(tables.query('SELECT * FROM docker_info')).toMatchObject({ rows: [], result: { ok: true, warnings: [] } });
  });

  it.each([
    ['silent', 'too_slow'],
    ['endless', 'too_large'],
    ['garbage', 'unreadable'],
  ])('say what a server that is %s keeps from them', async (mode, code) => {
    await serve(mode);
    const begin = performance.now();
    expect(tables.query('SELECT * FROM docker_images')).toMatchObject({
      rows: [],
      result: { ok: true, warnings: [{ code, count: 1 }] },
    });
    expect(performance.now() - begin).toBeLessThan(20_000);
  });
});
