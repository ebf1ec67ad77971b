import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { followCommand } from '@muster/api-client';
import type { AuditRecordJson } from '@muster/api-contract';
import { connectNats, type Broker } from '@muster/bus';
import { CommandSigner, generateSigningJwks, publicJwks, signCommandKeys, generateCommandRoot } from '@muster/identity';
import { encodeBusMessage, SUBJECTS } from '@muster/messages';
import {
  newCommandId,
  TargetTree,
  type AgentId,
  type CommandClaims,
  type CommandId,
  type OrgId,
} from '@muster/protocol';
import { decodeJournalEntry, STREAM_SUBJECTS, STREAMS, type Signature } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { startHarness, type Harness } from '../kit/harness.js';

/** The attacker controls the broker and sends to gateways what a command service would send. The agent and all services are real. */
describe('commands that the command service did not sign', () => {
  let harness: Harness;
  let broker: Broker;
  let folder: string;
  let agentId: AgentId;
  /** A command that the service signed for this agent. */
  let signed: Signature;
  let signedId: CommandId;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'muster-forged-'));
    harness = await startHarness({ agent: true });
    broker = await connectNats({ servers: [harness.brokers.nats.url], name: 'thief', logger: silentLogger });
    const [agent] = await harness.api.all('GET /v1/agents');
    agentId = agent?.agentId as AgentId;
    const command = await harness.api.call('POST /v1/commands', {
      body: {
        action: 'file.quarantine',
        params: { path: join(folder, 'not-there') },
        target: { agentIds: [agentId] },
      },
    });
    await followCommand(harness.api, command.id);
    signedId = command.id as CommandId;
    const subject = STREAM_SUBJECTS.command(harness.stack.org as OrgId, signedId);
    for await (const { data } of broker.streams.read(STREAMS.commands.name, { subject })) {
      const entry = decodeJournalEntry(data);
      if (entry.t === 'submitted' && entry.signature !== undefined) signed = entry.signature;
    }
  });
  afterAll(async () => {
    await broker.stop();
    await harness.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const claimsOf = (jws: string): CommandClaims =>
    JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8')) as CommandClaims;

  /** Sends a command to the gateway that holds the agent. */
  function deliver(order: { id: CommandId; jws: string; keys: string; tree?: TargetTree }): void {
    const tree = order.tree ?? TargetTree.over([{ number: 1, agentId }]);
    const { id, jws, keys } = order;
    const targets = [[1, agentId, tree.proof(1), null]] as const;
    const org = harness.stack.org as OrgId;
    broker.bus.publish(
      SUBJECTS.allGatewayCommands,
      encodeBusMessage({ t: 'command_deliver', id, org, jws, keys, targets, broadcast: true }),
    );
  }

  async function audited(subject: string): Promise<AuditRecordJson> {
    for (const untilMs = performance.now() + 15_000; performance.now() < untilMs;) {
      const records = await harness.api.all('GET /v1/audit', { query: { action: 'command.refused_by_agent' } });
      const found = records.find((record) => record.subject === subject);
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`no audit record of a refusal of ${subject}`);
  }

  /** The file that the command would quarantine. */
  function victim(name: string): { readonly path: string; readonly isThere: () => boolean } {
    const path = join(folder, name);
    writeFileSync(path, name);
    return { path, isThere: () => existsSync(path) };
  }

  const claimsFor = (path: string, id: CommandId, changes: Partial<CommandClaims> = {}): CommandClaims => ({
    ...claimsOf(signed.jws),
    jti: id,
    params: { path },
    root: Buffer.from(TargetTree.over([{ number: 1, agentId }]).root).toString('base64url'),
    ...changes,
  });

  it('a changed parameter under a valid signature is refused', async () => {
    const { path, isThere } = victim('changed');
    const id = newCommandId(Date.now());
    const [head, , signature] = signed.jws.split('.');
    const body = Buffer.from(JSON.stringify(claimsFor(path, id))).toString('base64url');
    deliver({ id, jws: [head, body, signature].join('.'), keys: signed.keys });
    expect(await audited(id)).toMatchObject({ code: 'bad_signature' });
    expect(isThere()).toBe(true);
  });

  it('a key of the attacker, in a list that the attacker’s own root signed, is refused', async () => {
    const { path, isThere } = victim('own-root');
    const id = newCommandId(Date.now());
    const keys = await generateSigningJwks();
    const listed = publicJwks(keys).keys.map(({ kid, x }) => ({ kid, x }));
    const list = signCommandKeys(await generateCommandRoot(), {
      version: 1_000_000,
      iat: Math.floor(Date.now() / 1_000),
      keys: listed,
      retired: [],
    });
    deliver({ id, jws: new CommandSigner(keys).sign(claimsFor(path, id)), keys: list });
    expect(await audited(id)).toMatchObject({ code: 'unknown_key' });
    expect(isThere()).toBe(true);
    // Its key list with a higher version is refused too: genuine commands still run.
    const dry = await harness.api.call('POST /v1/commands', {
      body: {
        action: 'file.quarantine',
        params: { path },
        target: { agentIds: [agentId] },
        dryRun: true,
      },
    });
    expect((await followCommand(harness.api, dry.id)).ledger).toMatchObject({ succeeded: 1 });
  });

  it('a genuine command for another agent is refused: this agent is no target', async () => {
    const other = 'aaaaaaaaaaaaaaaaaaaaaaaa' as AgentId;
    const id = newCommandId(Date.now());
    const tree = TargetTree.over([
      { number: 1, agentId },
      { number: 2, agentId: other },
    ]);
    // Its id matches the signature, but its proof leads to another root.
    deliver({ id: signedId, jws: signed.jws, keys: signed.keys, tree });
    expect(await audited(signedId)).toMatchObject({ code: 'not_a_target' });
    // The same under another id.
    deliver({ id, jws: signed.jws, keys: signed.keys });
    expect(await audited(id)).toMatchObject({ code: 'malformed' });
  });

  it('a replayed genuine command does not run again, and its outcome stays', async () => {
    const { path, isThere } = victim('replayed');
    const first = await harness.api.call('POST /v1/commands', {
      body: {
        action: 'file.quarantine',
        params: { path },
        target: { agentIds: [agentId] },
      },
    });
    expect((await followCommand(harness.api, first.id)).ledger).toMatchObject({ succeeded: 1 });
    writeFileSync(path, 'again');
    const subject = STREAM_SUBJECTS.command(harness.stack.org as OrgId, first.id as CommandId);
    for await (const { data } of broker.streams.read(STREAMS.commands.name, { subject })) {
      const entry = decodeJournalEntry(data);
      if (entry.t !== 'submitted' || entry.signature === undefined) continue;
      deliver({ id: first.id as CommandId, ...entry.signature });
    }
    // Commands of one lane run in sequence: after the next one has ended, the replay would have ended too.
    const next = await harness.api.call('POST /v1/commands', {
      body: {
        action: 'file.quarantine',
        params: { path: join(folder, 'not-there') },
        target: { agentIds: [agentId] },
      },
    });
    await followCommand(harness.api, next.id);
    expect(isThere()).toBe(true);
  });
});
