import type { CommandId } from '@muster/protocol';
import { AgentShares } from './agent-shares.js';
import type { ReceivedReport } from './received-report.js';

const KEEP_MS = 2_000;
const MAX_REPORTS = 20_000;

/** Reports about commands that this service has not read from the journal yet. They wait up to two seconds. */
export class EarlyReports {
  readonly #waiting = new Map<CommandId, { readonly sinceMs: number; readonly reports: ReceivedReport[] }>();
  readonly #shares = new AgentShares();
  #count = 0;

  /** False when too many wait, of all agents or of this one. */
  add(received: ReceivedReport, nowMs: number): boolean {
    const { id, agentId } = received.report;
    if (this.#count >= MAX_REPORTS || !this.#shares.take(agentId)) return false;
    const waiting = this.#waiting.get(id) ?? { sinceMs: nowMs, reports: [] };
    this.#waiting.set(id, waiting);
    waiting.reports.push(received);
    this.#count += 1;
    return true;
  }

  take(id: CommandId): readonly ReceivedReport[] {
    const reports = this.#waiting.get(id)?.reports ?? [];
    this.#count -= reports.length;
    for (const { report } of reports) this.#shares.giveBack(report.agentId);
    this.#waiting.delete(id);
    return reports;
  }

  /** Removes and returns those that have waited too long. */
  *expired(nowMs: number): Generator<ReceivedReport> {
    for (const [id, { sinceMs }] of this.#waiting) {
      if (nowMs - sinceMs < KEEP_MS) return;
      yield* this.take(id);
    }
  }
}
