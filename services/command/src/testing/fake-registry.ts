import type { SessionMode } from '@muster/protocol';
import type { LookupResult, Registry, ScanPage } from '@muster/registry';

interface Held {
  readonly org: string;
  readonly num: number;
  readonly gatewayId: string;
}

/** Who holds whom, as a test says. */
export class FakeRegistry implements Pick<Registry, 'lookup' | 'scan'> {
  /** How everybody is connected. */
  mode: SessionMode = 'live';
  readonly held = new Map<string, Held>();
  up = true;
  /** How often it was asked. */
  lookups = 0;

  lookup(agentIds: readonly string[]): Promise<LookupResult> {
    this.lookups += 1;
    if (!this.up) return Promise.resolve({ kind: 'unavailable', cause: new Error('down') });
    const agents = new Map(
      agentIds.flatMap((agentId) => {
        const held = this.held.get(agentId);
        if (held === undefined) return [];
        const session = { gatewayId: held.gatewayId, epoch: 1, mode: this.mode, connectedAtMs: 0 } as const;
        return [[agentId, { session, lastSeenMs: 0 }] as const];
      }),
    );
    return Promise.resolve({ kind: 'found', agents });
  }

  async *scan(org: string): AsyncGenerator<ScanPage, void, undefined> {
    await Promise.resolve();
    if (!this.up) {
      yield { kind: 'unavailable', cause: new Error('down') };
      return;
    }
    const entries = [...this.held].flatMap(([agentId, { org: of, num, gatewayId }]) =>
      of === org ? [{ agentId, num, gatewayId, epoch: 1, mode: this.mode, connectedAtMs: 0 }] : [],
    );
    yield { kind: 'page', entries };
  }
}
