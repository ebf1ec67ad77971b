import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { ensureCertificates, type StackOptions } from '@muster/local';
import { startHaproxy, type LoadBalancer } from '../kit/haproxy.js';
import { openLab, type Lab } from '../kit/lab.js';

let lab: Lab | undefined;
let balancer: LoadBalancer | undefined;
afterEach(async () => {
  await lab?.close();
  await balancer?.stop();
  [lab, balancer] = [undefined, undefined];
});

async function openGateways(options: Partial<StackOptions>): Promise<[string, string]> {
  lab = await openLab({ gateways: 2, ...options });
  const hosts = lab.stack.gateways.map(({ url }) => new URL(url).host);
  return [hosts[0]!, hosts[1]!];
}

function statusOf(address: string, path: string, ca: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(`https://${address}${path}`, { ca, agent: false }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end();
  });
}

describe('the HAProxy configurations that are shipped', () => {
  test('TLS passed through: an agent enrols and lives behind it, trusting the gateways themselves', async () => {
    balancer = await startHaproxy(await openGateways({ tls: true }), 'haproxy-passthrough.cfg');
    await lab!.stack.addAgent({ gatewayUrl: `wss://${balancer.address}` });
    const ca = await readFile(lab!.stack.caPath!, 'utf8');
    expect(await statusOf(balancer.address, '/v1/live', ca)).toBe(426);
  }, 60_000);

  test('TLS ended at the proxy: an agent enrols and lives behind it, and health stays inside', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'muster-haproxy-'));
    try {
      const { caPath, certPath, keyPath } = await ensureCertificates(folder);
      const pem = join(folder, 'both.pem');
      await writeFile(pem, (await readFile(certPath, 'utf8')) + (await readFile(keyPath, 'utf8')), { mode: 0o600 });
      const hosts = await openGateways({ tls: false, env: { gateway: { MUSTER_TRUSTED_PROXIES: '127.0.0.1' } } });
      balancer = await startHaproxy(hosts, 'haproxy.cfg', `ssl crt ${pem} alpn http/1.1`);
      await lab!.stack.addAgent({ gatewayUrl: `wss://${balancer.address}`, env: { MUSTER_GATEWAY_CA: caPath } });
      const ca = await readFile(caPath, 'utf8');
      expect(await statusOf(balancer.address, '/v1/live', ca)).toBe(426);
      for (const path of ['/readyz', '/healthz', '/metrics']) {
        expect([path, await statusOf(balancer.address, path, ca)]).toEqual([path, 404]);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }, 60_000);
});
