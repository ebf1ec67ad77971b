import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificates } from '@muster/local';
import { silentLogger, type Logger } from '@muster/runtime';
import { chooseTransport, type TransportKind } from './choose-transport.js';
import { ReceiveBuffers } from './receive-buffers.js';
import { CONTRACT_OPTIONS, Recorder } from './recorder.contract.js';
import { UwsTransport } from './uws-transport.js';

const { arch } = process;
let folder: string;
let tls: { certFile: string; keyFile: string };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-choice-'));
  const { certPath: certFile, keyPath: keyFile } = await ensureCertificates(folder);
  tls = { certFile, keyFile };
});
afterAll(() => rm(folder, { recursive: true, force: true }));
const runOn = (name: string): void => void Object.defineProperty(process, 'arch', { value: name });
afterEach(() => runOn(arch));

async function choose(kind: TransportKind, secure: boolean) {
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  const options = { ...CONTRACT_OPTIONS, ...(secure ? { tls } : {}) };
  const transport = await chooseTransport(kind, options, { handlers: new Recorder(), logger });
  const name = transport instanceof UwsTransport ? 'uws' : 'ws';
  transport.stop();
  return [name, warnings.length];
}

describe('which transport is used', () => {
  it.each<[TransportKind, boolean, string]>([
    ['auto', false, 'uws'],
    ['auto', true, 'uws'],
    ['uws', true, 'uws'],
    ['ws', true, 'ws'],
  ])('%s, TLS: %s', async (kind, secure, expected) => {
    expect(await choose(kind, secure)).toEqual([expected, 0]);
  });

  it('over TLS the native one only where receive buffers can be bounded, or with a warning', async () => {
    runOn('mips');
    expect(await choose('auto', true)).toEqual(['ws', 1]);
    expect(await choose('uws', true)).toEqual(['uws', 1]);
    expect(await choose('auto', false)).toEqual(['uws', 0]);
  });
});

describe('receive buffers', () => {
  it('are bounded where something listens, and nowhere else', async () => {
    const buffers = await ReceiveBuffers.load();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(buffers?.bound(port)).toBe(true);
    server.close();
    await once(server, 'close');
    expect(buffers?.bound(port)).toBe(false);
  });
});
