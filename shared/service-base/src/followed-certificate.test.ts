import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ensureCertificates } from '@muster/local';
import { createMetrics, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { earliestExpiry } from './certificate-expiry.js';
import { FollowedCertificate } from './followed-certificate.js';

const DAY_MS = 86_400_000;
const CHECK_MS = 5_000;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-certificate-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function follow(apply: () => void = () => undefined) {
  const { certPath: certFile, keyPath: keyFile, caPath } = await ensureCertificates(folder);
  const clock = new FakeClock();
  const metrics = createMetrics('api');
  const applied: string[] = [];
  const followed = new FollowedCertificate({
    ...{ tls: { certFile, keyFile }, clock, metrics, logger: silentLogger },
    apply: () => {
      apply();
      applied.push('applied');
    },
  });
  followed.start();
  const next = await ensureCertificates(await mkdtemp(join(folder, 'next-')), Date.now() + 400 * DAY_MS);
  return {
    ...{ clock, certFile, keyFile, caPath, applied, followed },
    next: { cert: await readFile(next.certPath, 'utf8'), key: await readFile(next.keyPath, 'utf8') },
    check: () => clock.advanceAsync(CHECK_MS),
    sample: async (name: string) =>
      Number(new RegExp(`^muster_api_certificate_${name} (.+)$`, 'm').exec(await metrics.registry.metrics())?.[1]),
  };
}

test('files that change are taken, and the metric is when the new certificate expires; of a chain, the first one', async () => {
  const { certFile, keyFile, caPath, next, check, applied, sample, followed } = await follow();
  const expiryOf = (pem: string): number => Date.parse(new X509Certificate(pem).validTo);
  const [leaf, ca] = [await readFile(certFile, 'utf8'), await readFile(caPath, 'utf8')];
  expect(earliestExpiry(`${ca}\n${leaf}`)).toBe(expiryOf(leaf));
  await check();
  expect([await sample('expiry_timestamp_seconds'), applied.length]).toEqual([expiryOf(leaf) / 1_000, 0]);
  await writeFile(keyFile, next.key);
  await writeFile(certFile, next.cert);
  await check();
  expect([await sample('expiry_timestamp_seconds'), applied.length]).toEqual([expiryOf(next.cert) / 1_000, 1]);
  expect(await sample('reloads_total\\{result="done"\\}')).toBe(1);
  await check();
  expect(applied).toHaveLength(1);
  followed.stop();
});

test('files that are half written, missing or no pair do no harm, are counted, and are taken when they are whole', async () => {
  const { certFile, keyFile, next, check, applied, sample, followed } = await follow();
  const failed = (): Promise<number> => sample('reloads_total\\{result="failed"\\}');
  const before = await sample('expiry_timestamp_seconds');
  await writeFile(certFile, next.cert.slice(0, 200));
  await check();
  expect(await failed()).toBe(1);
  await writeFile(certFile, next.cert);
  await check();
  expect(await failed()).toBe(2);
  await rm(keyFile);
  await check();
  expect([await failed(), applied.length, await sample('expiry_timestamp_seconds')]).toEqual([3, 0, before]);
  await writeFile(keyFile, next.key);
  await check();
  expect([await failed(), applied.length]).toEqual([3, 1]);
  followed.stop();
});

test('what the listener does not take is counted and tried again', async () => {
  let isBroken = true;
  const { certFile, keyFile, next, check, applied, sample, followed } = await follow(() => {
    if (isBroken) throw new Error('no');
  });
  await writeFile(keyFile, next.key);
  await writeFile(certFile, next.cert);
  await check();
  expect([await sample('reloads_total\\{result="failed"\\}'), applied.length]).toEqual([1, 0]);
  isBroken = false;
  await check();
  expect(applied).toHaveLength(1);
  followed.stop();
});

test('without TLS there is no such metric, and no alarm', async () => {
  const metrics = createMetrics('api');
  const followed = new FollowedCertificate({
    ...{ clock: new FakeClock(), metrics, logger: silentLogger },
    apply: () => undefined,
  });
  followed.start();
  expect(await metrics.registry.metrics()).not.toContain('certificate');
  followed.stop();
});
