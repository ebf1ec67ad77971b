import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startHarness, type Harness } from '../../kit/harness.js';
import { journalAgreesWithAudit } from '../oracle/audit.js';
import { readKeptCommands } from '../record/kept-commands.js';
import { type AgentFault, strike } from './agent-faults.js';
import { Endpoint } from './endpoint.js';
import { faultsOf } from './judge-commands.js';
import { Commands } from './commands.js';
import { Witnesses } from './witnesses.js';

export interface AgentRoundOptions {
  readonly endpoints: number;
  readonly seed: number;
  readonly faults: Iterable<AgentFault>;
  /** No fault begins after so long. */
  readonly forMs: number;
  /** Whether the audit is judged, too. */
  readonly withAudit: boolean;
  readonly print: (text: string) => void;
}

export interface AgentRoundResult {
  /** What did not hold, one sentence each. */
  readonly violations: readonly string[];
  readonly commands: number;
  readonly effects: number;
}

/** Commands expire after 30 s, may take 5 s, and endpoints have 40 s to report. */
const END_WITHIN_MS = 150_000;
/** For a command to an endpoint that is well again. */
const WELL_WITHIN_MS = 30_000;

/** Real agents under faults. Effects are counted outside the product; ends are read from its API when all is well again. */
export async function runAgentRound(options: AgentRoundOptions): Promise<AgentRoundResult> {
  const harness = await startHarness({ gateways: 2, commands: 2, restart: true });
  const folder = mkdtempSync(join(tmpdir(), 'muster-witnesses-'));
  const witnesses = new Witnesses(folder);
  const endpoints: Endpoint[] = [];
  try {
    for (let i = 0; i < options.endpoints; i += 1) endpoints.push(new Endpoint(harness, `real-${i}`));
    await Promise.all(endpoints.map((endpoint) => endpoint.open()));
    return await new AgentRound(options, harness, { endpoints, witnesses }).run();
  } finally {
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    witnesses.stop();
    await harness.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

class AgentRound {
  readonly #options: AgentRoundOptions;
  readonly #harness: Harness;
  readonly #endpoints: readonly Endpoint[];
  readonly #witnesses: Witnesses;
  readonly #commands: Commands;
  readonly #violations: string[] = [];

  constructor(
    options: AgentRoundOptions,
    harness: Harness,
    { endpoints, witnesses }: { readonly endpoints: readonly Endpoint[]; readonly witnesses: Witnesses },
  ) {
    this.#options = options;
    this.#harness = harness;
    this.#endpoints = endpoints;
    this.#witnesses = witnesses;
    this.#commands = new Commands(harness, witnesses);
  }

  async run(): Promise<AgentRoundResult> {
    const { faults, forMs, print, seed } = this.#options;
    const endAtMs = Date.now() + forMs;
    let index = 0;
    for (const fault of faults) {
      if (Date.now() > endAtMs) break;
      const endpoint = this.#endpoints[index % this.#endpoints.length];
      if (endpoint === undefined) break;
      const fromMs = Date.now();
      const struck = { harness: this.#harness, endpoint, commands: this.#commands, seed, index };
      try {
        this.#violations.push(...(await strike(fault, struck)));
        await this.#isWell(endpoint, fault);
      } catch (error) {
        this.#violations.push(`${fault} at ${endpoint.name}: ${String(error).slice(0, 2_000)}`);
        await endpoint.heal();
      }
      print(`${fault} at ${endpoint.name}: well again after ${((Date.now() - fromMs) / 1_000).toFixed(1)} s`);
      index += 1;
    }
    await this.#allEnd();
    return this.#judge();
  }

  /** A command that is given now is run, and soon. */
  async #isWell(endpoint: Endpoint, fault: string): Promise<void> {
    // What was signed in the same second as a loss was noticed may have run before.
    await delay(1_000);
    const command = await this.#commands.give(endpoint, `after ${fault}`);
    if (await this.#commands.ran(command, WELL_WITHIN_MS)) return;
    const what = `${endpoint.name} ran no command within ${WELL_WITHIN_MS / 1_000} s after "${fault}": ${command.id}`;
    this.#violations.push(what);
  }

  async #allEnd(): Promise<void> {
    const giveUpAtMs = Date.now() + END_WITHIN_MS;
    for (;;) {
      const open = await this.#harness.api.all('GET /v1/commands', { query: { status: 'running' } });
      if (open.length === 0 || Date.now() > giveUpAtMs) return;
      await delay(500);
    }
  }

  async #judge(): Promise<AgentRoundResult> {
    const kept = await readKeptCommands(this.#harness);
    const targets = new Map(kept.targets.map((target) => [target.command, target]));
    let effects = 0;
    for (const command of this.#commands.given) {
      const deaths = this.#witnesses.deaths(command.witness);
      effects += deaths;
      this.#violations.push(...faultsOf({ command, target: targets.get(command.id), effects: deaths }));
    }
    const audited = this.#options.withAudit ? journalAgreesWithAudit(kept) : [];
    for (const { rule, ids, told, truth } of audited) {
      this.#violations.push(`${rule}: ${ids.join(' ')}: ${told}; ${truth}`);
    }
    for (const violation of this.#violations) this.#options.print(`VIOLATION ${violation}`);
    return { violations: this.#violations, commands: this.#commands.given.length, effects };
  }
}
