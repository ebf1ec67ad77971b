import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runQuery } from '@muster/api-client';
import { SmallDisk } from '@muster/runtime/testing';
import { TestProcess } from '@muster/testkit';
import { AGENT_MAIN } from '../../kit/agent-process.js';
import type { Harness } from '../../kit/harness.js';

const SHIFTED_CLOCK = fileURLToPath(new URL('./shifted-clock/main.js', import.meta.url));
const DISK_BYTES = 4 * 1024 * 1024;

/** A real agent on a disk and with a clock of its own, and what can befall it. */
export class Endpoint {
  readonly name: string;
  /** Undefined where none can be mounted: its disk cannot be full then. */
  readonly disk: SmallDisk | undefined;
  readonly #harness: Harness;
  readonly #folder: string;
  #program: TestProcess | undefined;
  #clone: TestProcess | undefined;
  #agentId = '';
  #copies = 0;

  constructor(harness: Harness, name: string) {
    this.#harness = harness;
    this.name = name;
    this.disk = SmallDisk.missing() === undefined ? SmallDisk.mount(DISK_BYTES) : undefined;
    this.#folder = this.disk?.path ?? mkdtempSync(join(tmpdir(), 'muster-endpoint-'));
    this.setClock(0);
  }

  get agentId(): string {
    return this.#agentId;
  }

  get dataDir(): string {
    return join(this.#folder, 'data');
  }

  async open(): Promise<void> {
    this.start();
    await this.ready();
    const [agent] = await this.#harness.api.all('GET /v1/agents', { query: { selector: `case=${this.name}` } });
    this.#agentId = agent?.agentId ?? '';
  }

  start(): void {
    this.#program = this.#spawn(this.dataDir);
  }

  /** Resolves when it has had a session since its start. */
  async ready(): Promise<void> {
    await this.#program?.until(() => this.#program?.output.includes('"msg":"session ready"') === true, 'it was ready');
  }

  async kill(): Promise<void> {
    await this.#program?.kill();
  }

  freeze(): void {
    this.#program?.freeze();
  }

  resume(): void {
    this.#program?.resume();
  }

  /** Whether it answers a question. */
  async answers(): Promise<boolean> {
    const { ledger } = await runQuery(this.#harness.api, {
      sql: 'SELECT 1 AS one',
      selector: `case=${this.name}`,
      timeout: '20s',
    });
    return ledger.answered === 1;
  }

  /** Its wall clock jumps to that far from the right time. */
  setClock(aheadMs: number): void {
    writeFileSync(this.#clockFile, String(aheadMs));
  }

  /** Starts it anew with room and the right time. */
  async heal(): Promise<void> {
    this.resume();
    await this.kill();
    this.disk?.free();
    this.setClock(0);
    this.start();
  }

  /** A copy of the data directory as it is now. */
  copy(): string {
    const copy = join(this.#folder, `copy-${this.#copies++}`);
    cpSync(this.dataDir, copy, { recursive: true, verbatimSymlinks: true });
    rmSync(join(copy, 'agent.lock'), { force: true });
    return copy;
  }

  /** Puts a copy in the place of the data directory. */
  restore(copy: string): void {
    renameSync(this.dataDir, join(this.#folder, `away-${this.#copies++}`));
    mkdirSync(this.dataDir, { mode: 0o700 });
    cpSync(copy, this.dataDir, { recursive: true });
  }

  /** Starts a second agent with a copy of the data directory. */
  startClone(): void {
    this.#clone = this.#spawn(this.copy());
  }

  async killClone(): Promise<void> {
    await this.#clone?.kill();
  }

  async close(): Promise<void> {
    await this.killClone();
    this.resume();
    await this.kill();
    this.disk?.end();
    if (existsSync(this.#folder)) rmSync(this.#folder, { recursive: true, force: true });
    rmSync(this.#clockFile, { force: true });
  }

  /** Not on the disk that may be full. */
  get #clockFile(): string {
    return `${this.#folder}.clock`;
  }

  #spawn(dataDir: string): TestProcess {
    const { org, enrollSecret, gateways } = this.#harness.stack;
    return new TestProcess({
      main: process.env['MUSTER_TEST_AGENT_MAIN'] ?? AGENT_MAIN,
      nodeArgs: [`--import=${SHIFTED_CLOCK}`],
      env: {
        MUSTER_GATEWAY_URL: gateways.map(({ url }) => url).join(','),
        MUSTER_ORG: org,
        MUSTER_ENROLL_SECRET: enrollSecret,
        MUSTER_DATA_DIR: dataDir,
        MUSTER_LABELS: `case=${this.name}`,
        MUSTER_TEST_CLOCK_FILE: this.#clockFile,
      },
    });
  }
}
