import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { AgentId, CommandBody, OrgId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime/program';
import { FakeClock } from '@muster/runtime/testing';
import { CommandTrust } from './command-trust.js';
import { authenticate, authorize } from './verify-command.js';

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
  const authentication = authenticate(body, trust, { agentId: identity.agentId, org: commands.org });
  if (authentication.kind === 'rejected') return { state: 'refused', code: authentication.code, authentic: false };
  const policy = { actions: ['all'], requireApproval: [] };
  const authorization = authorize(body, authentication.claims, {
    policy,
    nowMs: clock.now(),
    history: { forgottenUpToMs: 0, lostUpToMs: 0 },
    undoOf: () => undefined,
  });
  return authorization.ok ? undefined : { state: authorization.state, code: authorization.code, authentic: true };
}

describe('the protocol’s test vectors', () => {
  test.each(commands.accepted)('run: $name', (vector) => {
    expect(answer(vector)).toBeUndefined();
  });

  test.each(commands.refused)('do not run: $name', (vector) => {
    expect(answer(vector)).toEqual(vector.report);
  });
});
