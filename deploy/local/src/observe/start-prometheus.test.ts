import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { startPrometheus } from './start-prometheus.js';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'muster-prometheus-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

test('scrapes under the names of the stack, has the rules, keeps its data here, and stops', async () => {
  const server = createServer((_request, response) => response.end('muster_demo_things 3\n')).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const targets = [{ job: 'muster-demo', instance: 'demo-1', healthUrl: `http://127.0.0.1:${port}` }];
  const prometheus = await startPrometheus({ dataDir, logger: silentLogger, targets, scrapeSeconds: 1 });
  try {
    const ask = async (path: string): Promise<string> => (await fetch(`${prometheus.url}/api/v1/${path}`)).text();
    const sample = /"metric":\{"__name__":"muster_demo_things","instance":"demo-1","job":"muster-demo"\}/;
    await eventually(async () => sample.test(await ask('query?query=muster_demo_things')), 'it has scraped', 20_000);
    expect(await ask('rules')).toContain('"name":"MusterGatewayDown"');
    expect(await readFile(join(dataDir, 'prometheus.log'), 'utf8')).not.toContain('level=error');
  } finally {
    await prometheus.stop();
    server.close();
  }
  await expect(fetch(prometheus.url)).rejects.toThrow('fetch failed');
});
