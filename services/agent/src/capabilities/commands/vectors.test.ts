import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { AgentId, CommandBody, OrgId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime/program';
import { FakeClock } from '@muster/runtime/testing';
import { CommandTrust } from './command-trust.js';
import { authenticate, judge } from './verify-command.js';

interface CommandVector {
  readonly name: string;
  readonly atMs: number;
  readonly delivery: Omit<CommandBody, 'proof'> & { readonly proof: { readonly $hex: string } };
  readonly report?: { readonly state: string; readonly code: string; readonly authentic: boolean };
}

const { identity, commands } = JSON.parse(
  readFileSync(new URL('../../../../../shared/protocol/vectors/vectors.json', import.meta.url), 'utf8'),
) as {
  readonly identity: { readonly agentId: AgentId };
  readonly commands: {
    readonly org: OrgId;
    readonly root: { readonly kid: string; readonly x: string };
    readonly accepted: readonly CommandVector[];
    readonly refused: readonly CommandVector[];
  };
};

let folder: string | undefined;
afterEach(() => rmSync(folder ?? '', { recursive: true, force: true }));

/** What the agent would report at once; nothing for a command that it runs. */
function answer({ atMs, delivery }: CommandVector): CommandVector['report'] {
  folder = mkdtempSync(join(tmpdir(), 'muster-vectors-'));
  const clock = new FakeClock(atMs);
  const trust = CommandTrust.open({ folder, roots: [commands.root], clock, logger: silentLogger });
  const body = { ...delivery, proof: Uint8Array.from(Buffer.from(delivery.proof.$hex, 'hex')) };
  const believed = authenticate(body, trust, { agentId: identity.agentId, org: commands.org });
  if (believed.kind === 'disbelieved') return { state: 'refused', code: believed.code, authentic: false };
  const policy = { actions: ['all'], requireApproval: [] };
  const judged = judge(body, believed.claims, { policy, nowMs: clock.now(), overMs: 0, undoOf: () => undefined });
  return judged.ok ? undefined : { state: judged.state, code: judged.code, authentic: true };
}

describe('the protocol’s test vectors', () => {
  test.each(commands.accepted)('run: $name', (vector) => {
    expect(answer(vector)).toBeUndefined();
  });

  test.each(commands.refused)('do not run: $name', (vector) => {
    expect(answer(vector)).toEqual(vector.report);
  });
});
