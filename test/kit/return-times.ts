import { setTimeout as delay } from 'node:timers/promises';
import type { Stack } from '@muster/local';

const SAMPLE_MS = 50;

/** How many sessions the gateways hold that answer within half a second. */
export async function sessionsOf(stack: Pick<Stack, 'gateways'>): Promise<number> {
  const counts = await Promise.all(
    stack.gateways.map(async ({ healthUrl }) => {
      const response = await fetch(`${healthUrl}/metrics`, { signal: AbortSignal.timeout(500) }).catch(() => undefined);
      const text = await response?.text().catch(() => undefined);
      return Number(/^muster_gateway_live_sessions (\d+)$/m.exec(text ?? '')?.[1] ?? 0);
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

export interface ReturnTimes {
  /** Endpoints whose gateway was lost. */
  readonly lost: number;
  /** From the loss until this share of them had another session, in ms; `undefined` where that was not seen. */
  readonly at: (share: number) => number | undefined;
}

/**
 * Does something to a gateway and watches its endpoints come back, by the sessions that the other gateways hold. A gateway that was
 * stopped or killed answers nothing, so its sessions do not count.
 */
export async function watchReturn(
  stack: Pick<Stack, 'gateways'>,
  { agents, boundMs, lose }: { readonly agents: number; readonly boundMs: number; readonly lose: () => number },
): Promise<ReturnTimes> {
  const startedMs = performance.now();
  const lost = lose();
  const samples: { readonly ms: number; readonly back: number }[] = [];
  for (;;) {
    const ms = performance.now() - startedMs;
    const held = await sessionsOf(stack);
    samples.push({ ms, back: held - (agents - lost) });
    if (held >= agents || ms > boundMs) break;
    await delay(SAMPLE_MS);
  }
  return { lost, at: (share) => samples.find(({ back }) => back >= share * lost)?.ms };
}
