import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CertificateFiles, ensureCertificates } from '@muster/local';
import { AgentProcess } from './agent-process.js';
import { startHarness, type Harness } from './harness.js';

/** Gateways that agents reach only through the proxies that a test puts in front of them. */
export class ProxyHarness {
  readonly harness: Harness;
  readonly folder: string;
  readonly files: CertificateFiles;
  /** PEM. */
  readonly tls: { readonly cert: string; readonly key: string };
  /** `host:port` of two gateways with TLS, both on uws. */
  readonly secure: readonly [string, string];
  /** `host:port` of two gateways without TLS, one on ws and one on uws. */
  readonly plain: readonly [string, string];
  readonly #cleanups: (() => Promise<unknown>)[] = [];

  private constructor(parts: Pick<ProxyHarness, 'harness' | 'folder' | 'files' | 'tls' | 'secure' | 'plain'>) {
    ({
      harness: this.harness,
      folder: this.folder,
      files: this.files,
      tls: this.tls,
      secure: this.secure,
      plain: this.plain,
    } = parts);
  }

  static async open(): Promise<ProxyHarness> {
    const folder = await mkdtemp(join(tmpdir(), 'muster-proxies-'));
    const files = await ensureCertificates(join(folder, 'tls'));
    const policy = join(folder, 'modes.json');
    // Agents that poll do so every second; the policy assigns Poll to none.
    await writeFile(policy, JSON.stringify({ rules: [{ selector: 'os=linux', mode: 'live', interval: '1s' }] }));
    const gateway = { MUSTER_TRUSTED_PROXIES: '127.0.0.1', MUSTER_GATEWAY_MODE_POLICY_FILE: policy };
    const harness = await startHarness({ gateways: 0, env: { gateway } });
    const withTls = { MUSTER_TLS_CERT_FILE: files.certPath, MUSTER_TLS_KEY_FILE: files.keyPath };
    const start = async (env: Record<string, string>): Promise<string> =>
      new URL((await harness.stack.addGateway(env)).url).host;
    const [first, second, third, fourth] = await Promise.all([
      start({ ...withTls, MUSTER_GATEWAY_TRANSPORT: 'uws' }),
      start({ ...withTls, MUSTER_GATEWAY_TRANSPORT: 'uws' }),
      start({ MUSTER_GATEWAY_TRANSPORT: 'ws' }),
      start({ MUSTER_GATEWAY_TRANSPORT: 'uws' }),
    ]);
    const tls = await readPair(files);
    return new ProxyHarness({ harness, folder, files, tls, secure: [first, second], plain: [third, fourth] });
  }

  async close(): Promise<void> {
    await Promise.all(this.#cleanups.splice(0).map((cleanup) => cleanup()));
    await this.harness.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Stops it when the harness is closed. */
  atEnd<T extends { stop(): Promise<unknown> }>(started: T): T {
    this.#cleanups.push(() => started.stop());
    return started;
  }

  /** Starts an agent that reaches gateways only at this address, `host:port`. */
  startAgent(name: string, address: string, env: Record<string, string> = {}): AgentProcess {
    const { caPath } = this.files;
    return this.atEnd(new AgentProcess(this.harness, { name, gatewayUrl: `wss://${address}`, caPath, env }));
  }
}

export async function readPair({ certPath, keyPath }: CertificateFiles): Promise<{ cert: string; key: string }> {
  return { cert: await readFile(certPath, 'utf8'), key: await readFile(keyPath, 'utf8') };
}
